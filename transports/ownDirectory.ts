/**
 * Directories of a process's own: state, bundles, what `natsctl up` keeps. Others on the machine read nothing
 * there, and put nothing there.
 *
 * O1. Files and directories that are made are for their owner alone. A directory of somebody else's, or one
 *     to which anybody may write, is refused: its owner could exchange every file in it.
 */
import { chmodSync, mkdirSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { Fault } from '../core/base/fault.js'

/** Nobody but the owner. */
const ownDirectoryMode = 0o700
export const ownFileMode = 0o600

const others = 0o007
const othersWrite = 0o002
const sticky = 0o1000

/**
 * Makes the directory when it is missing, and answers its real path. One of an earlier release, that others
 * can read, becomes its owner's alone. Throws `config.invalid` for a directory that is not this user's.
 *
 * @param names the names of the files that are ours: only a directory with nothing else in it
 *   has its mode changed
 */
export function ownDirectory(path: string, names?: RegExp): string {
  mkdirSync(path, { recursive: true, mode: ownDirectoryMode })
  const real = realpathSync(path)
  const stats = statSync(real)
  if (names !== undefined && isToClose(real, stats, names)) {
    try {
      chmodSync(real, ownDirectoryMode)
    } catch {
      // On a disk that is read only, or of a kind that has no modes.
    }
  }
  checkOwned(path, statSync(real))
  return real
}

/** The same check of a directory that is there already. One that is missing is made later. */
export function checkOwnDirectory(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isDirectory() === true) checkOwned(path, stats)
}

/** Whether a file is this process's: an ordinary one, of its user, to which nobody else may write. */
export function isOwnFile(stats: Stats): boolean {
  return stats.isFile() && (!hasUsers() || (stats.uid === process.geteuid!() && (stats.mode & 0o022) === 0))
}

function checkOwned(path: string, { uid, mode }: Stats): void {
  if (!hasUsers()) return
  const me = process.geteuid!()
  const wrong = (why: string): never => {
    throw new Fault('config.invalid', `directory ${path} ${why}`, { directory: path })
  }
  // Root may do everything anyway, and volumes of containers are root's.
  if (uid !== me && uid !== 0)
    wrong(`belongs to user ${uid}, and this process runs as user ${me}: give it to that user (chown), or choose another`)
  if ((mode & othersWrite) !== 0) wrong('can be written to by everybody: choose one of its own, or close it (chmod o-w)')
}

function isToClose(path: string, { uid, mode }: Stats, names: RegExp): boolean {
  if (!hasUsers() || uid !== process.geteuid!() || (mode & others) === 0 || (mode & sticky) !== 0) return false
  return readdirSync(path).every((name) => names.test(name))
}

/** Windows has none that Node.js could tell of. */
function hasUsers(): boolean {
  return process.geteuid !== undefined
}
