/**
 * Systems for tests of natsctl: real NATS and Redis servers for a test file, a system of its own for each
 * test, and natsctl pointed at it.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext, TestFn } from 'ava'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
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

/** Starts servers before the tests of a file, stops them after. Each call of the result is a new system. */
export function systemsOf(test: Pick<TestFn<any>, 'before' | 'after'>, prefix: string): () => SystemOfTest {
  let urls: { readonly NATS_URL: string; readonly THESEUS_REDIS: string }
  let stop: (() => Promise<unknown>) | undefined
  let systems = 0
  test.before('servers', async () => {
    const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
    stop = () => Promise.all([natsServer.stop(), redisServer.stop()])
    urls = { NATS_URL: natsServer.url, THESEUS_REDIS: redisServer.url }
  })
  test.after.always('servers', () => stop?.())
  return () => {
    const system = `${prefix}${++systems}`
    const ways = { transport: nats(urls.NATS_URL), udb: redis(urls.THESEUS_REDIS) }
    return { system, ways, env: { ...urls, THESEUS_SYSTEM: system } }
  }
}

export interface RunningPages {
  readonly host: RunningHost
  readonly server: { stop(): Promise<void> }
}

/** An upgrade server, and a host with these nodes of sample 02. */
export async function startPages(
  t: ExecutionContext<any>,
  { system, ways }: SystemOfTest,
  nodes: readonly string[],
): Promise<RunningPages> {
  const server = await startUpgradeServer({ system, ...ways })
  t.teardown(() => server.stop())
  const host = await createHost({ system, hostId: 'h1', ...ways, state: memoryStore(), bundles: newDirectory(t) })
  t.teardown(() => host.stop())
  for (const nodeId of nodes) await host.node(PagesV1, nodeId)
  return { host, server }
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
  { system, ways }: SystemOfTest,
  keys: Readonly<Record<string, Key>>,
): Promise<string> {
  const [first] = Object.values(keys)
  const server = await startUpgradeServer({ system, ...ways, trust: [first!.publicKey] })
  t.teardown(() => server.stop())
  const directory = newDirectory(t)
  for (const [name, { seed }] of Object.entries(keys)) writeFileSync(join(directory, `${name}.nk`), seed, { mode: 0o600 })
  return directory
}
