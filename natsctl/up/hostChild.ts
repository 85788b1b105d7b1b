/** A host process of `natsctl up`, seen from outside. */
import { fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { exitCodes, Failure } from '../output/exitCodes.js'
import type { HostMessage, HostOrder } from './hostMessages.js'
import type { Running, Task } from './supervisor.js'

const entry = fileURLToPath(new URL('hostProcess.js', import.meta.url))

export interface HostTaskOptions {
  /** The nodes are up; called again after a restart. */
  up(nodes: Extract<HostMessage, { type: 'up' }>['nodes']): void
  /** A warning of the host, or a line that a user's code printed. */
  say(line: string): void
  /** A line of its structured log. */
  log(line: string): void
}

export function hostTask(order: HostOrder, options: HostTaskOptions): Task {
  return { name: `host ${order.host.id}`, stopTimeoutMs: 15_000, launch: () => launch(order, options) }
}

function launch(order: HostOrder, options: HostTaskOptions): Running {
  // In a process group of its own: Ctrl-C is for us, and hosts end when we say so, before the
  // servers they need.
  const child = fork(entry, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true, execArgv: [] })
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => options.say(`${order.host.id} | ${line}`))
  }
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal))
  })
  const ready = new Promise<void>((resolve, reject) => {
    void ended.then((how) => reject(new Failure(exitCodes.error, `error: host ${order.host.id} ended (${how})`)))
    child.on('message', (message) => hear(message as HostMessage, order, options, resolve, reject))
  })
  child.send(order)
  return { ready, ended, end: () => void child.kill('SIGTERM'), kill: () => void child.kill('SIGKILL') }
}

function hear(
  message: HostMessage,
  { host }: HostOrder,
  { up, say, log }: HostTaskOptions,
  isUp: () => void,
  isRefused: (failure: Failure) => void,
): void {
  switch (message.type) {
    case 'up':
      up(message.nodes)
      isUp()
      return
    case 'refused':
      isRefused(new Failure(exitCodes.error, `error: ${message.reason}`))
      return
    case 'warning':
      say(`host ${host.id}: ${message.text}`)
      return
    case 'log':
      log(message.line)
      return
  }
}
