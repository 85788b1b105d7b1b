/** The processes that run natsctl for a test file: as many as run at once, and they end with the file. */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Order, Told } from './natsctlWorker.js'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const entry = fileURLToPath(new URL('./natsctlWorker.js', import.meta.url))
const workersMax = Math.min(2, availableParallelism())

const idle: ChildProcess[] = []
const waiting: ((worker: ChildProcess) => void)[] = []
let workers = 0

export async function runNatsctl(order: Order): Promise<Ended> {
  const worker = await taken()
  hold(worker, true)
  const ended = await new Promise<Ended>((resolve) => {
    const said = { stdout: '', stderr: '' }
    const heard = (told: Told): void => {
      if ('stdout' in told) said.stdout += told.stdout
      else if ('stderr' in told) said.stderr += told.stderr
      else end(told.code)
    }
    // A process that breaks down says why on its own error stream.
    const broken = (text: string): void => void (said.stderr += text)
    const end = (code: number | null): void => {
      worker.off('message', heard).off('exit', end)
      worker.stderr!.off('data', broken)
      resolve({ code, ...said })
    }
    worker.on('message', heard).once('exit', end)
    worker.stderr!.on('data', broken)
    worker.send(order)
  })
  give(worker)
  return ended
}

async function taken(): Promise<ChildProcess> {
  const free = idle.pop()
  if (free !== undefined) return free
  if (workers < workersMax) return started()
  return new Promise((resolve) => waiting.push(resolve))
}

function started(): ChildProcess {
  workers++
  const worker = fork(entry, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] })
  worker.stderr!.setEncoding('utf8')
  return worker
}

function give(worker: ChildProcess): void {
  const isGone = worker.exitCode !== null || worker.signalCode !== null
  if (isGone) workers--
  const first = waiting.shift()
  if (first !== undefined) first(isGone ? started() : worker)
  else if (!isGone) {
    hold(worker, false)
    idle.push(worker)
  }
}

/** A worker with nothing to do keeps no test file. */
function hold(worker: ChildProcess, isHeld: boolean): void {
  // Pipes, of which the types do not say that they can be let go.
  const { channel, stderr } = worker as unknown as Record<'channel' | 'stderr', Pick<ChildProcess, 'ref' | 'unref'> | null>
  for (const each of [worker, channel, stderr]) {
    if (isHeld) each?.ref()
    else each?.unref()
  }
}
