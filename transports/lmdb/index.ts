export { type LmdbOptions, lmdb } from './localStore.js'
