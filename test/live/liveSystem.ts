/**
 * A whole system for a live test: servers, an upgrade server, three host processes with five
 * nodes, and clients under load.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createHost, type NodeClass, type NodeRow, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { LoadClient, type Pages, readBack, type Tally } from '../../natsctl/demo/load.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { PagesV2 } from '../../samples/02-pages-comments/pages.v2.js'
import { PagesV3 } from '../../samples/02-pages-comments/pages.v3.js'
import { PagesV4 } from '../../samples/02-pages-comments/pages.v4.js'
import { until } from '../support/eventually.js'
import type { TestServer } from '../support/servers.js'
import type { HostOrder, KillPoint } from './hostProcess.js'

export const classes = [PagesV1, PagesV2, PagesV3, PagesV4] as const
const upgrades = ['1-comments', '2-likes', '3-like-nothing']
const layout = { h1: ['p1', 'p2'], h2: ['p3', 'p4'], h3: ['p5'] } as const
export type HostName = keyof typeof layout
export const allNodes = Object.values(layout).flat()
const entry = fileURLToPath(new URL('./hostProcess.js', import.meta.url))

let systems = 0

export class LiveSystem {
  readonly #hosts = new Map<HostName, ChildProcess>()
  readonly #clients: { readonly client: LoadClient; readonly host: RunningHost }[] = []
  readonly #closing: (() => Promise<void>)[] = []
  /** Deaths of host processes that nobody asked for by `stop`. */
  readonly deaths: string[] = []

  private constructor(
    readonly system: string,
    private readonly servers: { readonly nats: TestServer; readonly redis: TestServer },
    private readonly directory: string,
    readonly desk: RunningHost,
  ) {}

  /** @param options `upgradeServer: false` for a test that brings its own */
  static async start(
    servers: { readonly nats: TestServer; readonly redis: TestServer },
    options: { readonly upgradeServer?: boolean } = {},
  ): Promise<LiveSystem> {
    const system = `live${process.pid}-${++systems}`
    const directory = await mkdtemp(join(tmpdir(), 'theseus-live-'))
    const ways = { system, transport: nats(servers.nats.url), udb: redis(servers.redis.url) }
    const server = options.upgradeServer === false ? undefined : await startUpgradeServer(ways)
    const desk = await createHost({ ...ways, hostId: 'desk', state: memoryStore(), bundles: join(directory, 'desk') })
    const live = new LiveSystem(system, servers, directory, desk)
    live.#closing.push(
      () => rm(directory, { recursive: true, force: true }),
      async () => server?.stop(),
      () => desk.stop(),
    )
    return live
  }

  /** Starts a host process and waits until its nodes serve. */
  async startHost(name: HostName, kill?: KillPoint): Promise<void> {
    const order: HostOrder = {
      system: this.system,
      hostId: name,
      natsUrl: this.servers.nats.url,
      redisUrl: this.servers.redis.url,
      directory: join(this.directory, name),
      nodes: layout[name],
      ...(kill === undefined ? {} : { kill }),
    }
    const child = fork(entry, {
      env: { ...process.env, HOST_ORDER: JSON.stringify(order) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#hosts.set(name, child)
    child.on('exit', (code, signal) => {
      if (this.#hosts.get(name) !== child) return
      this.#hosts.delete(name)
      this.deaths.push(`${name} ${signal ?? code}`)
    })
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code, signal) => reject(new Error(`${name} ended with ${signal ?? code} before it was ready`)))
    }).catch((error) => {
      // A host that is killed while it starts is what some tests ask for.
      if (kill === undefined) throw error
    })
  }

  async stopHost(name: HostName): Promise<void> {
    const child = this.#hosts.get(name)
    this.#hosts.delete(name)
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  /** SIGKILL; resolves when the process is gone. */
  async killHost(name: HostName): Promise<void> {
    const child = this.#hosts.get(name)
    this.#hosts.delete(name)
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  isUp(name: HostName): boolean {
    return this.#hosts.has(name)
  }

  async publish(version: 1 | 2 | 3): Promise<void> {
    const source = new URL(`../../samples/02-pages-comments/upgrades/${upgrades[version - 1]}.js`, import.meta.url)
    const published = await this.desk.publish(await buildUpgrade(source))
    if (published !== version) throw new Error(`published as version ${published}`)
  }

  /** A client written for one version, on a connection of its own. */
  async startClient(version: 0 | 1 | 2): Promise<LoadClient> {
    const host = await createHost({
      system: this.system,
      transport: nats(this.servers.nats.url),
      udb: redis(this.servers.redis.url),
      state: memoryStore(),
      bundles: join(this.directory, 'client'),
    })
    const client = new LoadClient(pagesOf(host, version), {
      name: `v${version}-${this.#clients.length}`,
      nodes: allNodes,
      pagesPerNode: 2,
      pauseMs: 5,
      toleratesUnknown: true,
    })
    this.#clients.push({ client, host })
    client.start()
    return client
  }

  rows(): Promise<readonly NodeRow[]> {
    return this.desk.operator.database.nodes('pages')
  }

  /** Waits until every node serves at `version`. */
  async untilAllAt(version: number): Promise<void> {
    await until(async () => {
      const rows = await this.rows()
      return rows.length === allNodes.length && rows.every((row) => row.version === version && row.phase === 'current')
    }, `all nodes at version ${version}`)
  }

  /** Ends the load and reads everything back through every version up to `newest`. */
  async verdict(newest: 0 | 1 | 2): Promise<{ readonly tallies: readonly Tally[]; readonly lost: readonly string[] }> {
    await Promise.all(this.#clients.map(({ client }) => client.stop()))
    const pages = this.#clients.flatMap(({ client }) => client.pages)
    const lost: string[] = []
    for (let version = 0; version <= newest; version++)
      lost.push(...(await readBack(pagesOf(this.desk, version as 0 | 1 | 2), pages)))
    return { tallies: this.#clients.map(({ client }) => client.tally), lost }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map(({ client }) => client.stop()))
    await Promise.all(this.#clients.map(({ host }) => host.stop()))
    await Promise.all([...this.#hosts.keys()].map((name) => this.stopHost(name)))
    for (const close of this.#closing.reverse()) await close()
  }
}

export function pagesOf(host: RunningHost, version: 0 | 1 | 2 | 3): (node: string) => Pages {
  return (node) => host.ref(classes[version] as NodeClass, node, { version, deadline: '10s' }) as unknown as Pages
}
