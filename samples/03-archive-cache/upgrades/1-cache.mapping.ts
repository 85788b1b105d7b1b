import { mapping } from 'theseus-actors/rehearsal'
import { Archive } from '../archive.js'
import { Cache } from '../cache.js'

/** The set is all there is: "D_i+1 = D_i = the set" (§7.1). */
export const toCache = mapping({
  from: Archive,
  to: Cache,
  state: () => ({}),
  collections: { items: (old) => old('items').entries() },
  dependent: ['has'],
})

/** Where the past-SO does not refuse, the archive shows what the cache has. */
export const fromCache = mapping({
  from: Cache,
  to: Archive,
  state: () => ({}),
  collections: { items: (old) => old('items').entries() },
  dependent: ['has'],
})
