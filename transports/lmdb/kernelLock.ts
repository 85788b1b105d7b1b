/**
 * Locks of the kernel on open files: they end with their process, however it ends. By the
 * package fs-native-extensions (open file description locks on Linux), which is optional: where
 * it can't be loaded there are none.
 */
import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'

interface Locks {
  /** Of the whole file, where both are 0. */
  tryLock(file: number, offset: number, length: number, options: { readonly shared: boolean }): boolean
}

function load(): Locks | 'none' {
  try {
    return createRequire(import.meta.url)('fs-native-extensions') as Locks
  } catch {
    return 'none'
  }
}

let loaded: Locks | 'none' | undefined

/** Loaded with the first lock: hosts that keep nothing on disk, and commands, need none. */
function locks(): Locks | undefined {
  loaded ??= load()
  return loaded === 'none' ? undefined : loaded
}

export function hasKernelLocks(): boolean {
  return locks() !== undefined
}

/** False when another has it. */
export function tryLock(file: number): boolean {
  return locks()?.tryLock(file, 0, 0, { shared: false }) ?? true
}

/** Whether a process holds the lock on the file of this name; a file that is gone is not locked. */
export function isLocked(path: string): boolean {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  try {
    // Shared, so that two who look at once do not see each other.
    return !(locks()?.tryLock(file, 0, 0, { shared: true }) ?? false)
  } finally {
    closeSync(file)
  }
}
