/**
 * One host at a time holds a state directory (DESIGN §5, "One node, one place"): two would run
 * the same nodes twice.
 *
 * The lock is a file that names its holder. It appears whole (a finished file is linked to its name), so
 * nobody reads half of one. Its holder has locked it with the kernel (kernelLock.ts), which lets go when the
 * process dies: then neither the process's number nor the host's name matters, and a volume can move to
 * another container. A lock of release 0.1.0, or where the kernel's can't be had, is judged by its words.
 *
 * L1. A lock whose holder lives is never taken away.
 * L2. A stale lock is replaced only by who holds its guard, a lock of its own named after the stale one's id,
 *     and only while the stale one is still there. Guards are made, judged and taken over as locks are, so a
 *     contender may die at any line.
 *
 * It can't see this: without the kernel's lock, a holder in another container that shares this host's name
 * and directory but not its processes.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../core/base/fault.js'
import { bootId } from '../bootId.js'
import { ownDirectory, ownFileMode } from '../ownDirectory.js'
import { hasKernelLocks, isLocked, tryLock } from './kernelLock.js'

export interface DirectoryLock {
  /** Gives the directory free. May be called twice. */
  release(): void
}

interface Holder {
  /** Different for every lock ever made. */
  readonly id: string
  readonly pid: number
  /**
   * When the process began, in clock ticks since the machine did; null where the system does
   * not tell. Tells a reused pid.
   */
  readonly started: string | null
  /** Different after every start of the machine; null where the system does not tell. */
  readonly boot: string | null
  readonly hostname: string
  /** Whether the holder has the kernel's lock on this file; left out by release 0.1.0. */
  readonly kernel?: boolean
}

const stateFiles = /^(?:(?:data|lock)\.mdb|host\.lock.*|log-(?:\d+|next|now))$/

/**
 * Makes the directory when it is missing. Throws `config.directory-held`, saying who holds it and what to do,
 * and `config.invalid` for one of another user's.
 */
export function lockDirectory(directory: string): DirectoryLock {
  ownDirectory(directory, stateFiles)
  const path = join(directory, 'host.lock')
  const me: Holder = {
    id: randomUUID(),
    pid: process.pid,
    started: processOf(process.pid)?.started ?? null,
    boot: bootId(),
    hostname: hostname(),
    kernel: hasKernelLocks(),
  }
  const file = acquire(path, me, directory)
  let isHeld = true
  return {
    release() {
      if (!isHeld) return
      isHeld = false
      if (read(path, directory)?.id === me.id) unlinkSync(path)
      // Last: with it goes the kernel's lock.
      closeSync(file)
    },
  }
}

/**
 * Throws `config.directory-held` where a process of another machine may have the directory: what it writes
 * can't be read from here at one moment.
 */
export function checkReadableHere(directory: string): void {
  const other = read(join(directory, 'host.lock'), directory)
  if (other === undefined || other.hostname === hostname()) return
  const where = `state directory ${directory} is held by process ${other.pid} on ${other.hostname}`
  const message = `${where}, and this is ${hostname()}: copy it there; if that host is gone for good, delete its host.lock`
  throw new Fault('config.directory-held', message, { directory, pid: other.pid, hostname: other.hostname })
}

/** Answers the open file, which holds the kernel's lock. */
function acquire(path: string, me: Holder, directory: string): number {
  for (;;) {
    const created = create(path, me)
    if (created !== undefined) return created
    const other = read(path, directory)
    // Given free between the two lines: try again.
    if (other === undefined) continue
    if (isHeldBy(other, me, path)) throw held(other, me, path, directory)
    const taken = takeOver(path, other, me, directory)
    if (taken !== undefined) return taken
  }
}

function isHeldBy(other: Holder, me: Holder, path: string): boolean {
  // The kernel lets go when the last thread of a killed process has ended; it does nothing any
  // more when the first has.
  if (other.kernel === true && hasKernelLocks()) return isLocked(path) && !isZombie(other, me)
  return other.hostname !== me.hostname || isAlive(other)
}

function isZombie(holder: Holder, me: Holder): boolean {
  if (holder.started === null || holder.boot !== me.boot) return false
  const found = processOf(holder.pid)
  return found?.started === holder.started && (found.state === 'Z' || found.state === 'X')
}

function takeOver(path: string, stale: Holder, me: Holder, directory: string): number | undefined {
  const guard = `${path}.${stale.id}`
  const guardFile = acquire(guard, me, directory)
  try {
    // Another may have held the guard before, replaced the stale lock, and left: then this one
    // is not the one I judged.
    if (read(path, directory)?.id !== stale.id) return undefined
    const { mine, file } = write(path, me)
    renameSync(mine, path)
    return file
  } finally {
    // After the rename: who takes the guard from here on finds the stale lock gone.
    unlinkSync(guard)
    closeSync(guardFile)
  }
}

/** Undefined when the file is there already. */
function create(path: string, me: Holder): number | undefined {
  const { mine, file } = write(path, me)
  try {
    linkSync(mine, path)
    return file
  } catch (error) {
    closeSync(file)
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  } finally {
    unlinkSync(mine)
  }
}

/** Locked before it gets its name, so nobody finds it without the lock. */
function write(path: string, me: Holder): { readonly mine: string; readonly file: number } {
  const mine = `${path}.${me.id}.new`
  const file = openSync(mine, 'w+', ownFileMode)
  try {
    if (!tryLock(file)) throw new Error(`${mine} is locked by another process`)
    writeSync(file, `${JSON.stringify(me)}\n`)
    // A power cut must not leave a lock without a name in it, which nobody could judge.
    fsyncSync(file)
  } catch (error) {
    closeSync(file)
    throw error
  }
  return { mine, file }
}

/** Undefined when there is no such lock. */
function read(path: string, directory: string): Holder | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const holder = JSON.parse(text) as Holder
    if (typeof holder.id === 'string' && Number.isInteger(holder.pid) && typeof holder.hostname === 'string') return holder
  } catch {}
  const message = `state directory ${directory}: the lock ${path} can't be read. If no host uses the directory, delete that file`
  throw new Fault('config.directory-held', message, { directory })
}

function isAlive(holder: Holder): boolean {
  const boot = bootId()
  if (holder.boot !== null && boot !== null && holder.boot !== boot) return false
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    // EPERM is the answer of a process that lives and is somebody else's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const found = processOf(holder.pid)
  if (found === undefined) return true
  // Killed, and not yet waited for by its parent: it does nothing any more.
  if (found.state === 'Z' || found.state === 'X') return false
  return holder.started === null || holder.started === found.started
}

/**
 * State and start time (fields 3 and 22 of /proc/<pid>/stat), or undefined where the system does not tell.
 */
function processOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Field 2 is the program's name in brackets and may hold anything, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0]!, started: fields[19]! }
  } catch {
    return undefined
  }
}

function held(other: Holder, me: Holder, path: string, directory: string): Fault {
  const details = { directory, pid: other.pid, hostname: other.hostname }
  const where = `state directory ${directory} is held by process ${other.pid}`
  if (other.hostname !== me.hostname) {
    const message = `${where} on ${other.hostname}, this is ${me.hostname}: stop that host; if it is gone for good, delete ${path}`
    return new Fault('config.directory-held', message, details)
  }
  const message =
    other.pid === me.pid
      ? `${where}, which is this one: close the store first, or use another directory`
      : `${where}: stop that host, or use another directory`
  return new Fault('config.directory-held', message, details)
}
