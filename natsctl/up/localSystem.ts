/**
 * The parts of `natsctl up`, started one after the other and ended the other way round: a host needs its
 * servers until its last commit is reported.
 */
import { join } from 'node:path'
import { isFault, startUpgradeServer } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { natsOptionsOf } from '../context/flags.js'
import { type Trust, trustText } from '../context/trust.js'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { note, oneLine, print, printJson } from '../output/output.js'
import { padded } from '../output/width.js'
import { hostTask } from './hostChild.js'
import type { HostMessage, LogForm } from './hostMessages.js'
import { findServer, kinds, localServer } from './localServer.js'
import { Supervisor, type Task } from './supervisor.js'
import type { HostConfig, ServerChoice, UpConfig } from './upConfig.js'
import { neighboursOption } from './upNeighbours.js'

type ServerName = keyof typeof kinds
type Nodes = Extract<HostMessage, { type: 'up' }>['nodes']

/** The parts that are up, as they come up. */
export type UpEvent =
  | { readonly type: ServerName; readonly url: string; readonly log: string | null }
  | { readonly type: 'upgradeServer'; readonly system: string }
  | { readonly type: 'host'; readonly host: string; readonly nodes: Nodes }
  | { readonly type: 'ready'; readonly env: Readonly<Record<string, string>> }

/** Somebody may have taken a free port before the server did. */
const portTriesMax = 3

export class LocalSystem {
  readonly #config: UpConfig & { readonly production: boolean }
  readonly #tell: (event: UpEvent) => void
  readonly #log: LogForm
  /** The events meanwhile, for people or as a line of the log. */
  readonly report: (line: string) => void
  readonly #directory: string
  /** The ends of the parts, in the order of their starts. */
  readonly #enders: (() => Promise<void>)[] = []
  readonly #supervisors: Supervisor[] = []
  isStopping = false

  constructor(config: UpConfig & { readonly production: boolean }, tell: (event: UpEvent) => void, log: LogForm) {
    this.#config = config
    this.#tell = tell
    this.#log = log
    this.report = log === 'json' ? jsonReport(config.system) : note
    this.#directory = join(config.directory, '.theseus', config.system)
  }

  /**
   * Nobody else reaches the servers that it starts itself: there nobody has to say that
   * upgrades need no signature.
   */
  get #trusted(): { readonly trust?: Trust | 'nobody' } {
    const { trust, nats } = this.#config
    if (trust !== undefined) return { trust }
    return 'port' in nats ? { trust: 'nobody' } : {}
  }

  async start(): Promise<void> {
    const { system, hosts, trust } = this.#config
    for (const name of ['nats', 'redis'] as const) if ('port' in this.#config[name]) findServer(kinds[name])
    await this.#holdDirectory()
    const natsUrl = await this.#server('nats', this.#config.nats)
    const redisUrl = await this.#server('redis', this.#config.redis)
    await this.#upgradeServer(natsUrl, redisUrl)
    await this.#hosts(hosts, natsUrl, redisUrl)
    const env = {
      THESEUS_SYSTEM: system,
      NATS_URL: natsUrl,
      THESEUS_REDIS: redisUrl,
      THESEUS_TRUST: trustText(trust ?? 'nobody'),
    }
    this.#tell({ type: 'ready', env })
  }

  /**
   * Ends what was started, the last first. May be called while `start` is under way: nothing
   * more is started then.
   */
  async stop(): Promise<void> {
    this.isStopping = true
    for (const end of this.#enders.reverse()) {
      await end().catch((error: Error) => this.report(`while ending: ${error.message}`))
    }
  }

  /** Ends every process now. */
  kill(): void {
    for (const supervisor of this.#supervisors) supervisor.kill()
  }

  #add(end: () => Promise<void>): void {
    if (this.isStopping) throw new Failure(exitCodes.interrupted, 'error: ended while starting')
    this.#enders.push(end)
  }

  #supervise(task: Task): Supervisor {
    const supervisor = new Supervisor(task, this.report)
    this.#add(() => supervisor.stop())
    this.#supervisors.push(supervisor)
    return supervisor
  }

  /**
   * Two redis-servers over one directory would ruin its file; a state store knows how to hold a directory.
   */
  async #holdDirectory(): Promise<void> {
    const store = lmdb(join(this.#directory, 'up')).open()
    this.#add(async () => (await store.catch(() => undefined))?.close())
    await store.catch((error: unknown) => {
      if (!isFault(error) || error.code !== 'config.directory-held') throw error
      const message = `error: "natsctl up" runs on ${this.#directory} already, as process ${error.details.pid}`
      throw new Failure(exitCodes.error, message, { cause: error })
    })
  }

  async #server(name: ServerName, choice: ServerChoice): Promise<string> {
    if ('url' in choice) {
      this.#tell({ type: name, url: withoutPassword(choice.url), log: null })
      return choice.url
    }
    for (let tries = 1; ; tries++) {
      const { task, url, log } = await localServer(kinds[name], choice.port ?? 0, this.#directory)
      try {
        await this.#supervise(task).start()
        this.#tell({ type: name, url, log })
        return url
      } catch (error) {
        if (this.isStopping || choice.port !== undefined || tries === portTriesMax) throw error
      }
    }
  }

  async #upgradeServer(natsUrl: string, redisUrl: string): Promise<void> {
    const { system, production } = this.#config
    const server = startUpgradeServer({
      system,
      production,
      ...this.#trusted,
      ...neighboursOption(this.#config.neighbours),
      transport: nats(natsOptionsOf(natsUrl)),
      udb: redis(redisUrl),
      observe: (event) => {
        if (event.type === 'warning') this.report(`upgrade server: ${event.message}`)
      },
    })
    this.#add(async () => (await server.catch(() => undefined))?.stop())
    await server
    this.#tell({ type: 'upgradeServer', system })
  }

  /** Hosts do not need each other, so they start and end together. */
  async #hosts(hosts: readonly HostConfig[], natsUrl: string, redisUrl: string): Promise<void> {
    const { system, production, neighbours } = this.#config
    const supervisors = hosts.map((host) => {
      const directory = join(this.#directory, 'hosts', host.id)
      const at = { system, production, nats: natsUrl, redis: redisUrl, neighbours, ...this.#trusted }
      const order = { ...at, host, directory, log: this.#log }
      const up = (nodes: Nodes) => this.#tell({ type: 'host', host: host.id, nodes })
      return new Supervisor(hostTask(order, { up, say: this.report, log: note }), this.report)
    })
    this.#add(async () => {
      await Promise.all(supervisors.map((supervisor) => supervisor.stop()))
    })
    this.#supervisors.push(...supervisors)
    await Promise.all(supervisors.map((supervisor) => supervisor.start()))
  }
}

/** As pino's lines are, so that every line of stderr is one; pino itself is loaded by hosts alone. */
function jsonReport(system: string): (line: string) => void {
  const info = 30
  return (line) => note(JSON.stringify({ level: info, time: Date.now(), system, msg: oneLine(line) }))
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}

export function jsonLines(event: UpEvent): void {
  printJson(event)
}

/** As a shell takes it: a trust root is JSON. */
export function shellWord(value: string): string {
  return /["'{} ]/.test(value) ? `'${value.replaceAll("'", `'\\''`)}'` : value
}

/** How a shell finds it: one that was started by npx may be in no folder of `PATH`. */
export function natsctlIn(env: NodeJS.ProcessEnv): string {
  return env.npm_lifecycle_event === 'npx' ? 'npx natsctl' : 'natsctl'
}

export function textLines(event: UpEvent): void {
  const line = (what: string, where: string, more: string): void =>
    print(`${padded(what, 16)}${padded(where, 32)}${more}`.trimEnd())
  switch (event.type) {
    case 'nats':
    case 'redis':
      line(event.type, event.url, event.log === null ? 'was there already' : `log ${event.log}`)
      return
    case 'upgradeServer':
      line('upgrade server', `system ${event.system}`, '')
      return
    case 'host':
      line(`host ${event.host}`, event.nodes.map(({ id, className }) => `${id} (${className})`).join(', '), '')
      return
    case 'ready':
      print('\nIn another terminal, and Ctrl-C here to end it all:')
      print(
        `  export ${Object.entries(event.env)
          .map(([name, value]) => `${name}=${shellWord(value)}`)
          .join(' ')}`,
      )
      print(`  ${natsctlIn(process.env)} node ls`)
      return
  }
}
