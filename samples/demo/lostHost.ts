/**
 * The last scene of the demo: a sharded service on three hosts. One of them is killed for good, with its
 * disk, in the middle of an upgrade.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeRow, RunningHost, Version } from 'theseus-actors'
import { pause, type Screen, type Tally } from 'theseus-actors/demo'
import { CartsV1 } from './carts/carts.v1.js'
import type { CartsHostOrder, CartsHostReport } from './cartsHost.js'
import { CartsLoad } from './cartsLoad.js'

const hostIds = ['s1', 's2', 's3']
const cartIds = Array.from({ length: 12 }, (_, i) => `cart${String(i + 1).padStart(2, '0')}`)
const pollMs = 50
/** For people to look at. */
const lookMs = 1_000

export interface SceneParts {
  readonly desk: RunningHost
  readonly screen: Pick<Screen, 'say' | 'show'>
  readonly directory: string
  readonly addresses: Omit<CartsHostOrder, 'hostId' | 'directory'>
  /** Publishes the upgrade of the carts, and returns its version. */
  publish(): Promise<Version>
}

export interface SceneEnd {
  readonly lostId: string
  readonly tally: Tally
  readonly lost: readonly string[]
  /** The carts of the host that was lost, and the hosts that have them now. */
  readonly moved: ReadonlyMap<string, string>
  /** How many carts were at the new version when it was lost. */
  readonly upgraded: number
}

export async function lostHostScene(parts: SceneParts, closing: (() => unknown)[]): Promise<SceneEnd> {
  const { desk, screen, directory, publish } = parts
  const hosts = new Map<string, CartsHost>()
  closing.push(() => Promise.all([...hosts.values()].map((host) => host.kill())))
  screen.say('$ node cartsHost.js s1, s2, s3')
  await Promise.all(
    hostIds.map(async (id) =>
      hosts.set(id, await CartsHost.start({ ...parts.addresses, hostId: id, directory: join(directory, id) })),
    ),
  )
  const lostId = await spread(hosts)
  let title = 'Twelve carts, a sharded service on three hosts. Their logs are on one nats-server: durable, not replicated.'
  const load = new CartsLoad(desk, cartIds)
  const cartsNow = async (): Promise<readonly NodeRow[]> => {
    // The database may be away for a moment.
    const rows = await desk.operator.database.nodes('carts').catch(() => [])
    screen.show({
      title,
      nodes: rows.map(({ nodeId: id, className, version, phase, hostId, alive }) => ({
        ...{ id, className, version, phase },
        answers: alive ? hostId : `${hostId} · away`,
      })),
      clients: [{ name: 'client for Carts.v1', ...load.tally }],
    })
    return rows
  }
  try {
    await look(cartsNow, (rows) => rows.length === cartIds.length)
    await pause(lookMs)
    const version = await publish()
    title = `Version ${version}: a cart knows what was added last. Some carts go first.`
    const isThere = ({ version: at, phase }: NodeRow) => at === version && phase === 'current'
    const before = await look(cartsNow, (rows) => rows.some(isThere))
    const moved = before.filter(({ hostId }) => hostId === lostId).map(({ nodeId }) => nodeId)
    const upgraded = before.filter(isThere).length
    screen.say(`$ kill -9 ${hosts.get(lostId)!.pid}; rm -r ${lostId}`)
    await hosts.get(lostId)!.kill()
    await rm(join(directory, lostId), { recursive: true, force: true })
    hosts.delete(lostId)
    title = `Host ${lostId} is lost for good, with its disk, in the middle of the upgrade. Others claim its shards after its lease.`
    const after = await look(
      cartsNow,
      (rows) => rows.length === cartIds.length && rows.every((row) => isThere(row) && row.hostId !== lostId),
    )
    title = `All carts run version ${version}, on ${[...hosts.keys()].join(' and ')}.`
    await cartsNow()
    await pause(lookMs)
    const lost = await load.account()
    const hostOf = new Map(after.map(({ nodeId, hostId }) => [nodeId, hostId]))
    return { lostId, tally: load.tally, lost, upgraded, moved: new Map(moved.map((id) => [id, hostOf.get(id)!])) }
  } finally {
    await load.account().catch(() => {})
  }
}

/** The scene in a line. */
export function sceneLine({ lostId, moved, upgraded, tally }: SceneEnd): string {
  const hosts = [...new Set(moved.values())].sort().join(' and ')
  const unknown =
    tally.unknown === 0 ? '' : `; ${tally.unknown} calls that it was carrying out ended with an unknown outcome, and said so`
  return `host ${lostId} was killed for good when ${upgraded} of ${cartIds.length} carts had upgraded: its ${moved.size} carts answer on ${hosts}${unknown}`
}

async function look(
  now: () => Promise<readonly NodeRow[]>,
  isDone: (rows: readonly NodeRow[]) => boolean,
): Promise<readonly NodeRow[]> {
  for (;;) {
    const rows = await now()
    if (isDone(rows)) return rows
    await pause(pollMs)
  }
}

/** Resolves when all shards are somewhere, to the host that has most of them. */
async function spread(hosts: ReadonlyMap<string, CartsHost>): Promise<string> {
  for (;;) {
    const counts = await Promise.all([...hosts].map(async ([id, host]) => [id, (await host.shards()).length] as const))
    const all = counts.reduce((sum, [, count]) => sum + count, 0)
    if (all === CartsV1.shards) return counts.toSorted(([, a], [, b]) => b - a)[0]![0]
    await pause(pollMs)
  }
}

class CartsHost {
  private constructor(private readonly child: ChildProcess) {}

  static async start(order: CartsHostOrder): Promise<CartsHost> {
    const child = fork(new URL('./cartsHost.js', import.meta.url), {
      env: { ...process.env, CARTS_HOST_ORDER: JSON.stringify(order) },
    })
    await told(child)
    return new CartsHost(child)
  }

  get pid(): number {
    return this.child.pid!
  }

  async shards(): Promise<readonly number[]> {
    const report = told(this.child)
    this.child.send('shards')
    return (await report).shards
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

async function told(child: ChildProcess): Promise<CartsHostReport> {
  const ended = new AbortController()
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code, signal]) => {
    throw new Error(`a host of the demo ended with ${signal ?? code}`)
  })
  exit.catch(() => {})
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([report]) => report as CartsHostReport),
      exit,
    ])
  } finally {
    ended.abort()
  }
}
