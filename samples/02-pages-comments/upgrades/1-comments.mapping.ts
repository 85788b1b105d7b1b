import { mapping } from 'theseus-actors/rehearsal'
import { PagesV1 } from '../pages.v1.js'
import { PagesV2 } from '../pages.v2.js'

/** The paper's example (§7.1): the pages are dependent, the comments are not. */
export const toComments = mapping({
  from: PagesV1,
  to: PagesV2,
  state: ({ pages }) => ({ pages, comments: {} }),
  dependent: ['get'],
})

export const fromComments = mapping({ from: PagesV2, to: PagesV1, state: ({ pages }) => ({ pages }), dependent: ['get'] })
