import { mapping } from 'theseus-actors/rehearsal'
import { PagesV2 } from '../pages.v2.js'
import { type Comment, PagesV3 } from '../pages.v3.js'

const each = <From, To>(comments: Record<string, From[]>, change: (comment: From) => To): Record<string, To[]> =>
  Object.fromEntries(Object.entries(comments).map(([url, all]) => [url, all.map(change)]))

/** The likes are independent, and `comments` shows them. */
export const toLikes = mapping({
  from: PagesV2,
  to: PagesV3,
  state: ({ pages, comments }) => ({ pages, comments: each(comments, (text): Comment => ({ text, likes: 0 })) }),
  dependent: ['get'],
})

/** Everything that version 2 shows comes from version 3. */
export const fromLikes = mapping({
  from: PagesV3,
  to: PagesV2,
  state: ({ pages, comments }) => ({ pages, comments: each(comments, ({ text }) => text) }),
  dependent: ['get', 'comments'],
})
