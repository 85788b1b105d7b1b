export { copyOfDirectory, type DirectoryCopy, makeDirectory } from './directoryCopy.js'
export { type LmdbOptions, lmdb } from './localStore.js'
