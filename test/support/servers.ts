/**
 * Real servers for tests: nats-server and redis-server from the distribution's packages, on free ports of the
 * loopback interface, each in a temporary directory of its own. A test stops what it started; what it forgets
 * ends with its process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { until } from './eventually.js'
import { freePort } from './freePort.js'

export interface TestServer {
  readonly port: number
  readonly url: string
  /** Of the process that runs now: another one after `restart`. */
  readonly pid: number
  /** Ends it and removes its directory. */
  stop(): Promise<void>
  /** SIGKILL, without waiting. `restart` starts it again. */
  kill(): void
  /** Ends it if it still runs, then starts it on the same port with the same directory. */
  restart(): Promise<void>
}

const startsMax = 3

interface Kind {
  readonly binary: string
  readonly install: string
  readonly scheme: string
  args(port: number, dir: string): readonly string[]
  /** The text to send to a server, and how its answer shows that it is this one and ready. */
  readonly greeting: string
  answers(text: string, port: number, pid: number): boolean
  /** Files that it finds in its directory when it starts. */
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** The certificate authority of a server that is talked to by TLS. */
  readonly ca?: string
}

interface ServerOptions {
  /** Added to its command line, for example `['--user', 'u', '--pass', 'p']`. */
  readonly args?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

/** Starts nats-server. */
export function startNatsServer({ args = [], ...options }: ServerOptions = {}): Promise<TestServer> {
  const serverName = (port: number): string => `theseus-test-${process.pid}-${port}`
  return start({
    binary: 'nats-server',
    install: 'apt-get install nats-server',
    scheme: 'nats',
    args: (port) => ['--addr', '127.0.0.1', '--port', String(port), '--name', serverName(port), ...args],
    greeting: '',
    answers: (text, port) => text.includes(`"server_name":"${serverName(port)}"`),
    ...options,
  })
}

export interface RedisServerOptions extends ServerOptions {
  /** A restart keeps the data, even after SIGKILL. */
  readonly appendonly?: boolean
  /** It takes connections by TLS only: its certificate is among its files, this is who signed that. */
  readonly ca?: string
  /** The login that may ask it for its process id, where not everybody may. */
  readonly login?: { readonly username: string; readonly password: string }
}

/** Starts redis-server, by default without persistence. */
export function startRedisServer({ appendonly, login, args = [], ...options }: RedisServerOptions = {}): Promise<TestServer> {
  const isTls = options.ca !== undefined
  // By default a write waits while the file is synced, and is lost with the process.
  const kept = appendonly === true ? ['--appendfsync', 'always'] : []
  return start({
    binary: 'redis-server',
    install: 'apt-get install redis-server',
    scheme: isTls ? 'rediss' : 'redis',
    args: (port, dir) => [
      ...['--bind', '127.0.0.1', ...(isTls ? ['--port', '0', '--tls-port'] : ['--port']), String(port)],
      ...['--dir', dir, '--save', '', '--appendonly', appendonly === true ? 'yes' : 'no', ...kept, ...args],
    ],
    greeting: `${login === undefined ? '' : `AUTH ${login.username} ${login.password}\r\n`}PING\r\nINFO server\r\n`,
    answers: (text, _port, pid) => text.includes('+PONG') && text.includes(`process_id:${pid}`),
    ...options,
  })
}

/** Starts a Sentinel that watches one primary, and finds the other Sentinels and the replicas through it. */
export function startRedisSentinel(name: string, primary: TestServer, quorum: number): Promise<TestServer> {
  const lines = [
    `sentinel monitor ${name} 127.0.0.1 ${primary.port} ${quorum}`,
    `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
    `sentinel failover-timeout ${name} ${failoverTimeoutMs}`,
  ]
  return start({
    binary: 'redis-server',
    install: 'apt-get install redis-server',
    scheme: 'redis',
    args: (port, dir) => [
      join(dir, 'sentinel.conf'),
      '--sentinel',
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir],
    ],
    files: { 'sentinel.conf': lines.map((line) => `${line}\n`).join('') },
    greeting: 'PING\r\nINFO server\r\n',
    answers: (text, _port, pid) => text.includes('+PONG') && text.includes(`process_id:${pid}`),
  })
}

const downAfterMs = 500
const failoverTimeoutMs = 3000

async function start(kind: Kind): Promise<TestServer> {
  const path = find(kind)
  const dir = mkdtempSync(join(tmpdir(), `theseus-${kind.binary}-`))
  for (const [name, text] of Object.entries(kind.files ?? {})) writeFileSync(join(dir, name), text, { mode: 0o600 })
  // Somebody may take the port between the moment it is found and the moment the server asks for it.
  for (let starts = 1; ; starts++) {
    const server = new RunningServer(kind, path, dir, await freePort())
    try {
      await server.launch()
      return server
    } catch (error) {
      await (starts < startsMax ? server.end() : server.stop())
      if (starts === startsMax) throw error
    }
  }
}

function find(kind: Kind): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', '/usr/sbin']
  for (const folder of folders) {
    const path = join(folder, kind.binary)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {}
  }
  throw new Error(`the tests need ${kind.binary}, which is not installed here: ${kind.install}`)
}

/** The servers that this process started and has not stopped yet. */
const running = new Set<RunningServer>()

process.once('exit', () => {
  for (const server of running) server.abandon()
})

class RunningServer implements TestServer {
  readonly url: string
  #child: ChildProcess | undefined

  constructor(
    readonly kind: Kind,
    readonly path: string,
    readonly dir: string,
    readonly port: number,
  ) {
    this.url = `${kind.scheme}://127.0.0.1:${port}`
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  async launch(): Promise<void> {
    const { kind, port, dir } = this
    const log = openSync(join(dir, 'log'), 'a')
    const child = spawn(this.path, kind.args(port, dir), {
      cwd: dir,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...kind.env },
    })
    closeSync(log)
    this.#child = child
    running.add(this)
    child.unref() // A forgotten server must not keep its test process alive.
    child.once('error', () => {}) // Then it has no exit code and no pid, and is reported below.
    await until(async () => {
      if (child.pid === undefined || ended(child))
        throw new Error(`${kind.binary} ended as soon as it started: ${this.#lastLog()}`)
      return kind.answers(await ask(port, kind), port, child.pid)
    }, `${kind.binary} accepts connections on port ${port}`)
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.end()
    await this.launch()
  }

  async stop(): Promise<void> {
    await this.end()
    running.delete(this)
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** For a process that exits: nothing can be awaited any more. */
  abandon(): void {
    this.kill()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Ends the process and keeps its directory. */
  async end(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.pid === undefined || ended(child)) return
    child.kill('SIGTERM')
    // One that a test has stopped hears nothing until it goes on.
    child.kill('SIGCONT')
    let askedMs = performance.now()
    await until(() => {
      // A redis-server that writes its first append-only file refuses to end, and forgets that it was asked.
      if (performance.now() - askedMs > endAgainMs) {
        child.kill('SIGTERM')
        askedMs = performance.now()
      }
      return ended(child)
    }, `${this.kind.binary} ends`)
  }

  #lastLog(): string {
    return readFileSync(join(this.dir, 'log'), 'utf8').trim().split('\n').slice(-3).join(' | ')
  }
}

const endAgainMs = 1_000

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

const askTimeoutMs = 200

/** The answer of a server on a fresh connection within a moment; nothing if nobody is there. */
function ask(port: number, { greeting, ca }: Kind): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const greet = () => socket.write(greeting)
    const socket: Socket =
      ca === undefined ? connect(port, '127.0.0.1', greet) : connectTls({ port, host: '127.0.0.1', ca }, greet)
    const done = (): void => {
      socket.destroy()
      resolve(text)
    }
    socket.setTimeout(askTimeoutMs, done)
    socket.on('error', done)
    socket.on('close', done)
    socket.on('data', (chunk) => {
      text += chunk
      if (text.endsWith('\r\n')) socket.setTimeout(20, done)
    })
  })
}
