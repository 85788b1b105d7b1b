export { type LmdbOptions, lmdb } from './lmdbStore.js'
