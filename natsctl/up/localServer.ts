/**
 * A nats-server or redis-server of `natsctl up`: on the loopback interface, with its data and
 * its log in one directory.
 */
import { spawn } from 'node:child_process'
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownDirectory, ownFileMode } from 'theseus-actors/operator'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { oneLine } from '../output/output.js'
import type { Running, Task } from './supervisor.js'

export interface LocalServer {
  readonly task: Task
  readonly url: string
  readonly log: string
}

interface Kind {
  readonly binary: string
  readonly field: 'nats' | 'redis'
  args(port: number, directory: string): readonly string[]
  /**
   * The greeting to send, and how the answer shows that it is ours and ready: another server
   * may have taken the port.
   */
  readonly greeting: string
  isOurs(answer: string, port: number, directory: string): boolean
}

const nameOf = (port: number): string => `natsctl-up-${process.pid}-${port}`

export const kinds = {
  nats: {
    binary: 'nats-server',
    field: 'nats',
    args: (port, directory) => [
      ...['--addr', '127.0.0.1', '--port', String(port), '--name', nameOf(port)],
      // For the logs of sharded services.
      ...['--jetstream', '--store_dir', directory],
    ],
    greeting: '',
    isOurs: (answer, port) => answer.includes(`"server_name":"${nameOf(port)}"`),
  },
  redis: {
    binary: 'redis-server',
    field: 'redis',
    args: (port, directory) => [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', directory],
      // It holds the history of upgrades.
      ...['--save', '', '--appendonly', 'yes'],
    ],
    greeting: 'CONFIG GET dir\r\n',
    isOurs: (answer, _port, directory) => answer.includes(`\r\n${directory}\r\n`),
  },
} as const satisfies Record<string, Kind>

/**
 * `port` 0 is for a free one, the same as last time where that is free. Throws when the server is not
 * installed, or its port is taken.
 */
export async function localServer(kind: Kind, port: number, parent: string): Promise<LocalServer> {
  const path = findServer(kind)
  const directory = ownDirectory(join(parent, kind.field))
  const chosen = port === 0 ? await portAgain(kind, join(directory, 'port')) : await freePort(kind, port)
  return {
    url: `${kind.field}://127.0.0.1:${chosen}`,
    log: join(directory, 'log'),
    task: { name: kind.binary, stopTimeoutMs: 10_000, launch: () => launch(kind, path, chosen, directory) },
  }
}

/** Debian has nats-server where only root looks. */
const otherFolders = ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin', '/usr/sbin', '/usr/local/sbin']

/** Its path. Throws, saying what to do, when it is not installed. */
export function findServer({ binary, field }: Kind): string {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...otherFolders]) {
    const path = join(folder, binary)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {}
  }
  const advice = `install it ("apt-get install ${binary}"), or name a running one as "${field}" in the config`
  throw new Failure(exitCodes.error, `error: ${binary} is not installed here: ${advice}`)
}

/**
 * The server runs in a process group of its own, for Ctrl-C goes to all of a group at once, and hosts are to
 * end before it. A shell holds it and reads a pipe from us: when that ends, because we asked or because we
 * were killed, so does the server.
 */
const holder = `
umask 077
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _ <&3; kill "$server"; } 2>/dev/null &
reader=$!
wait "$server"
code=$?
kill "$reader" 2>/dev/null
exit "$code"`

const startTimeoutMs = 10_000
const askAgainMs = 20

function launch(kind: Kind, path: string, port: number, directory: string): Running {
  const log = openSync(join(directory, 'log'), 'a', ownFileMode)
  const child = spawn('/bin/sh', ['-c', holder, 'sh', path, ...kind.args(port, directory)], {
    cwd: directory,
    stdio: ['pipe', log, log],
    detached: true,
  })
  closeSync(log)
  child.stdin!.on('error', () => {}) // Gone already.
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal))
  })
  return {
    ready: ready(kind, port, directory, ended),
    ended,
    end: () => child.stdin!.end(),
    kill: () => {
      try {
        // The shell and what it holds.
        process.kill(-child.pid!, 'SIGKILL')
      } catch {} // Gone already.
    },
  }
}

async function ready(kind: Kind, port: number, directory: string, ended: Promise<string>): Promise<void> {
  let how: string | undefined
  void ended.then((text) => {
    how = text
  })
  const deadline = performance.now() + startTimeoutMs
  while (how === undefined && performance.now() < deadline) {
    if (kind.isOurs(await ask(port, kind.greeting), port, directory)) return
    await sleep(askAgainMs)
  }
  const what = how ?? `no answer within ${startTimeoutMs / 1000} s`
  throw new Failure(exitCodes.error, `error: ${kind.binary} did not start on port ${port} (${what}): ${lastLine(directory)}`)
}

function lastLine(directory: string): string {
  return oneLine(readFileSync(join(directory, 'log'), 'utf8').trim().split('\n').at(-1) ?? '') || 'its log is empty'
}

/** The one of last time, if it is free: other terminals know it. */
async function portAgain(kind: Kind, file: string): Promise<number> {
  const last = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  const usable = Number.isInteger(last) && last > 0 && last < 65_536 ? last : 0
  const chosen = await freePort(kind, usable).catch(() => freePort(kind, 0))
  writeFileSync(file, String(chosen), { mode: ownFileMode })
  return chosen
}

function freePort({ field }: Kind, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => {
      const advice = `choose another, or name the server that runs there as "${field}": "${field}://127.0.0.1:${port}"`
      reject(new Failure(exitCodes.error, `error: ${field}.port ${port} can't be used (${error.message}): ${advice}`))
    })
    server.listen(port, '127.0.0.1', () => {
      const { port: listening } = server.address() as { port: number }
      server.close(() => resolve(listening))
    })
  })
}

const askTimeoutMs = 250
/** An answer may come in parts. */
const moreMs = 20

/** The answer of a server on a fresh connection within a moment; nothing if nobody is there. */
function ask(port: number, greeting: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(greeting))
    const done = (): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(askTimeoutMs, done)
    socket.on('error', done).on('close', done)
    socket.on('data', (bytes) => {
      answer += bytes
      if (answer.endsWith('\r\n')) socket.setTimeout(moreMs, done)
    })
  })
}
