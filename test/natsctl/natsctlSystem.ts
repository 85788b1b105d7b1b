/**
 * Systems for tests of natsctl: real NATS and Redis servers for a test file, a system of its own for each
 * test, and natsctl pointed at it.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createHost, type NodeClass, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { type RedisServerOptions, startNatsServer, startRedisServer } from '../support/servers.js'
import { natsctl, newDirectory, type ProcessResult } from './natsctlProcess.js'

export interface SystemOfTest {
  readonly system: string
  /** Hosts and upgrade servers connect by these. */
  readonly ways: { readonly transport: ReturnType<typeof nats>; readonly udb: ReturnType<typeof redis> }
  /** natsctl finds the system by this. */
  readonly env: {
    readonly NATS_URL: string
    readonly THESEUS_REDIS: string
    readonly THESEUS_SYSTEM: string
    readonly THESEUS_TRUST?: string
  }
}

/** By whose end something ends: a test, or a file with all its tests. */
export type Owner = Pick<ExecutionContext<any>, 'teardown'>

export interface Systems {
  /** A new system. */
  (): SystemOfTest
  /** Owns things that end after the tests of the file, before their servers. */
  readonly file: Owner
}

/** Starts servers before the tests of a file, stops them after. Each call of the result is a new system. */
export function systemsOf(prefix: string): Systems {
  let urls: ServerUrls
  const ends: (() => unknown)[] = []
  const file: Owner = { teardown: (end) => void ends.unshift(end) }
  let systems = 0
  // Hooks of the file itself wait for a serial one.
  test.serial.before('servers', async () => {
    urls = await startServers(file)
  })
  test.after.always('servers', async () => {
    for (const end of ends) await end()
  })
  return Object.assign(() => systemAt(urls, `${prefix}${++systems}`), { file })
}

interface ServerUrls {
  readonly NATS_URL: string
  readonly THESEUS_REDIS: string
}

/** A login without which NATS takes no connection. */
interface Login {
  readonly user: string
  readonly pass: string
}

/** A system with servers of its own: another one may have the same name, and the servers may be special. */
export async function systemWithServers(
  owner: Owner,
  system: string,
  { redis, login }: { readonly redis?: RedisServerOptions; readonly login?: Login } = {},
): Promise<SystemOfTest> {
  return systemAt(await startServers(owner, redis, login), system, login)
}

async function startServers(owner: Owner, redisOptions: RedisServerOptions = {}, login?: Login): Promise<ServerUrls> {
  const args = login === undefined ? [] : ['--user', login.user, '--pass', login.pass]
  const [natsServer, redisServer] = await Promise.all([startNatsServer({ args }), startRedisServer(redisOptions)])
  owner.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
  return { NATS_URL: natsServer.url, THESEUS_REDIS: redisServer.url }
}

function systemAt(urls: ServerUrls, system: string, login?: Login): SystemOfTest {
  const ways = { transport: nats({ servers: urls.NATS_URL, ...login }), udb: redis(urls.THESEUS_REDIS) }
  return { system, ways, env: { ...urls, THESEUS_SYSTEM: system } }
}

export interface RunningPages {
  readonly host: RunningHost
  readonly server: { stop(): Promise<void> }
}

/** An upgrade server, and a host with these nodes, by default of sample 02. */
export async function startPages(
  owner: Owner,
  at: SystemOfTest,
  nodes: readonly string[],
  {
    nodeClass = PagesV1,
    ...serverOptions
  }: Partial<Parameters<typeof startUpgradeServer>[0]> & { readonly nodeClass?: NodeClass } = {},
): Promise<RunningPages> {
  const server = await startServer(owner, at, serverOptions)
  const { system, ways } = at
  const host = await createHost({ system, hostId: 'h1', ...ways, state: memoryStore(), bundles: newDirectory(owner) })
  owner.teardown(() => host.stop())
  for (const nodeId of nodes) await host.node(nodeClass, nodeId)
  return { host, server }
}

export async function startServer(
  owner: Owner,
  { system, ways }: SystemOfTest,
  options: Partial<Parameters<typeof startUpgradeServer>[0]> = {},
): Promise<RunningPages['server']> {
  const server = await startUpgradeServer({ system, ...ways, ...options })
  owner.teardown(() => server.stop())
  return server
}

export interface Runner {
  run(...args: readonly string[]): Promise<ProcessResult>
  /** Runs with `-o json`, expects exit code 0, and gives the one document that was printed. */
  json(...args: readonly string[]): Promise<any>
}

export function runnerOf(t: ExecutionContext<any>, env: Readonly<Record<string, string>>, cwd?: string): Runner {
  const run = (...args: readonly string[]) => natsctl(t, args, cwd === undefined ? { env } : { cwd, env })
  const json = async (...args: readonly string[]) => {
    const ended = await run(...args, '-o', 'json')
    t.is(ended.code, 0, ended.stderr)
    return JSON.parse(ended.stdout)
  }
  return { run, json }
}

interface Key {
  readonly publicKey: string
  readonly seed: string
}

/** An upgrade server that trusts the first of these keys. The returned directory has files of all. */
export async function startTrusting(
  t: ExecutionContext<any>,
  at: SystemOfTest,
  keys: Readonly<Record<string, Key>>,
): Promise<string> {
  const [first] = Object.values(keys)
  await startServer(t, at, { trust: [first!.publicKey] })
  const directory = newDirectory(t)
  for (const [name, { seed }] of Object.entries(keys)) writeFileSync(join(directory, `${name}.nk`), seed, { mode: 0o600 })
  return directory
}
