/**
 * T6 of docs/design.md: a release rolls through a running system, and back, and forward again. Hosts, upgrade
 * servers and clients of both releases are processes of their own, over real servers, under load. Upgrades
 * are published and undone while they are mixed; then the level is raised. No call fails.
 *
 * `node scripts/rollReleases.mjs` runs it for anyone.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { connect } from 'nats'
import { connectOperator, isFault, type Operator } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { nats } from 'theseus-actors/nats'
import { newKey, signer } from 'theseus-actors/nkeys'
import { redis } from 'theseus-actors/redis'
import { release as releaseNow } from '../../core/base/formats.js'
import { newestLevel } from '../../core/base/level.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const app = join(root, 'test/fixtures/releases/app')
const system = 'library'
const leaseMs = 6_000
const shelves = { h1: ['s0', 's1', 'ledger'], h2: ['s2', 's3'], h3: ['s4'] } as const
const called = ['s0', 's1', 's2', 's3']

export interface Rolled {
  readonly calls: number
  readonly failed: readonly string[]
  /** Answers that were not what had been written. */
  readonly wrong: readonly string[]
  /** Of what was acknowledged, what is not there at the end. */
  readonly lost: readonly string[]
  readonly slowestMs: number
}

type Role = 'host' | 'server' | 'client'

interface Ended {
  readonly calls?: number
  readonly failed?: readonly string[]
  readonly wrong?: readonly string[]
  readonly written?: Readonly<Record<string, string>>
  readonly slowestMs?: number
}

/** A place where the package of `release` is installed as `theseus`, beside the app. */
function installed(release: string, work: string): string {
  if (release === releaseNow) return app
  const place = join(work, release)
  cpSync(app, place, { recursive: true })
  const modules = join(place, 'node_modules')
  mkdirSync(join(modules, 'theseus'), { recursive: true })
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!name.startsWith('.') && name !== 'theseus') symlinkSync(join(root, 'node_modules', name), join(modules, name))
  const packed = join(root, 'test/fixtures/releases', release, 'theseus.tgz')
  if (!existsSync(packed)) throw new Error(`no package of release ${release} is kept: ${packed}`)
  execFileSync('tar', ['xzf', packed, '-C', join(modules, 'theseus'), '--strip-components', '1'])
  symlinkSync(join(root, 'node_modules'), join(modules, 'theseus', 'node_modules'))
  return place
}

class Member {
  #ended: ((told: Ended) => void) | undefined

  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
  ) {
    child.on('message', (message: { ended?: true; trouble?: string } & Ended) => {
      if (message.ended) this.#ended?.(message)
    })
  }

  static async start(place: string, member: { readonly name: string; readonly role: Role } & object): Promise<Member> {
    const child = fork(join(place, 'member.mjs'), {
      env: { ...process.env, MEMBER: JSON.stringify(member) },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    let errors = ''
    child.stderr!.on('data', (data) => {
      errors = (errors + data).slice(-4_000)
    })
    await new Promise<void>((ready, failed) => {
      child.once('message', () => ready())
      child.once('exit', (code) => failed(new Error(`${member.name} ended with ${code}: ${errors}`)))
    })
    return new Member(child, member.name)
  }

  async end(): Promise<Ended> {
    const told = new Promise<Ended>((resolve, reject) => {
      this.#ended = resolve
      this.child.once('exit', (code) => reject(new Error(`${this.name} ended with ${code}`)))
    })
    this.child.send('end')
    return told
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }
}

/** The refusal, which names the client of the older release. */
async function refusedLevel(operator: Operator): Promise<string> {
  try {
    await operator.raiseLevel()
  } catch (error) {
    if (isFault(error) && error.code === 'upgrade.level') return error.message
    throw error
  }
  throw new Error('the level was raised over the head of a client that does not read it')
}

/** A call in envelope format 2, which a host of an older release does not read: it says so at once. */
async function saidOfFormat2(url: string): Promise<string> {
  const connection = await connect({ servers: url })
  try {
    const call: CallEnvelope = {
      ...{
        kind: kinds.call,
        label: 0,
        seq: 1,
        method: 'get',
        args: ['x'],
        deadlineMs: 60_000,
        caller: 'stranger',
        incarnation: 1,
      },
      ...{
        callerClass: 'Client',
        callerVersion: 0,
        origin: { system, host: 'stranger' },
        expects: null,
        path: null,
        trace: null,
      },
      together: false,
    }
    const { data } = await connection.request(`theseus.${system}.node.s0`, encodeCall(call), { timeout: 30_000 })
    const [answer] = decode(data)
    return answer?.kind === kinds.fault
      ? `a call in envelope format 2: ${answer.fault.code}: ${answer.fault.message}`
      : 'it reads envelope format 2'
  } finally {
    await connection.close()
  }
}

export async function rollReleases(older: string, say: (line: string) => void): Promise<Rolled> {
  const work = mkdtempSync(join(tmpdir(), 'theseus-roll-'))
  const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
  const key = newKey()
  const places = { [older]: installed(older, work), [releaseNow]: installed(releaseNow, work) }
  const members = new Map<string, { readonly member: Member; readonly release: string; readonly role: Role }>()
  const ended: Ended[] = []
  const operator = await connectOperator({
    ...{ system, transport: nats(natsServer.url), udb: redis(redisServer.url), trust: [key.publicKey] },
    upgrader: signer(key.seed),
  })

  const start = async (role: Role, name: string, release: string) => {
    const member = await Member.start(places[release]!, {
      ...{ role, name, system, nats: natsServer.url, redis: redisServer.url, trust: [key.publicKey], leaseMs },
      ...{ state: join(work, `state-${name}`), bundles: join(work, `bundles-${name}-${release}`) },
      ...{ nodes: role === 'host' ? shelves[name as keyof typeof shelves] : called, loops: 3, pauseMs: 8 },
    })
    members.set(name, { member, release, role })
  }
  const end = async (name: string) => {
    const { member } = members.get(name)!
    ended.push(await member.end())
    members.delete(name)
  }
  const roll = async (name: string, release: string) => {
    const { role } = members.get(name)!
    await end(name)
    await start(role, name, release)
    say(`${name} runs release ${release}`)
  }
  const at = (version: number, nodeIds: readonly string[] = called) =>
    until(
      async () => {
        const rows = await operator.database.nodes('shelf')
        const there = rows.filter((row) => row.version >= version && row.phase === 'current').map(({ nodeId }) => nodeId)
        return nodeIds.every((nodeId) => there.includes(nodeId))
      },
      `${nodeIds.join(', ')} at version ${version}`,
    )
  const publish = async (name: string, nodeIds?: readonly string[]) => {
    const version = await operator.publish(await buildUpgrade(new URL(`upgrades/${name}.mjs`, `${pathToFileURL(app)}/`)))
    await at(version, nodeIds)
    say(`version ${version} is published: ${name}`)
  }
  /** Some load in this mix: the clients go on calling while each node answers the operator so often. */
  const load = async () => {
    for (let n = 0; n < 100; n++)
      await Promise.all(called.map((node) => operator.call({ node }, 'get', ['of nobody'], { version: 0, kind: 'query' })))
  }

  try {
    await start('server', 'us1', older)
    await start('host', 'h1', older)
    await start('host', 'h2', older)
    await start('client', 'client-old', older)
    await start('client', 'client-new', releaseNow)
    say(`all run release ${older}; clients of ${older} and ${releaseNow} call`)
    await load()
    say(await saidOfFormat2(natsServer.url))
    await roll('h1', releaseNow)
    await load()
    await publish('1-tags')
    await start('server', 'us2', releaseNow)
    say(`us2 runs release ${releaseNow} beside us1`)
    // Its scheduling function sends one of them there.
    await publish('2-languages', ['s2'])
    const undo = await operator.undo({ reason: 'the releases are mixed' })
    await at(undo)
    say(`version ${undo} undoes it`)
    await roll('us1', releaseNow)
    await roll('us2', older)
    await load()
    await roll('h1', older)
    await roll('us1', older)
    say(`back at release ${older}`)
    await load()
    await roll('h2', releaseNow)
    await roll('us2', releaseNow)
    await roll('h1', releaseNow)
    await roll('us1', releaseNow)
    say(`forward again, all hosts and servers run release ${releaseNow}`)
    const { behind } = await operator.systemLevel()
    // A release that reads all that this one writes is not left behind.
    if (behind.length > 0) say(await refusedLevel(operator))
    await end('client-old')
    await start('client', 'client-later', releaseNow)
    await until(async () => (await operator.systemLevel()).behind.length === 0, 'nobody is left behind')
    const level = await operator.raiseLevel({ reason: 'all run the new release' })
    await at(level)
    say(`version ${level} raises the level: ${JSON.stringify((await operator.systemLevel()).level)}`)
    if (behind.length > 0) {
      const late = await start('host', 'h3', older).then(
        () => undefined,
        (error: Error) => /the system's level is[^\n]*/.exec(error.message)?.[0],
      )
      if (late === undefined) throw new Error(`a new host of release ${older} was not told which release to run`)
      say(`a new host of release ${older} does not start: ${late}`)
      // Its directory has the version that raises the level by now, which that release does not read.
      await end('h2')
      const back = await start('host', 'h2', older).then(
        () => 'it starts',
        (error: Error) => `it does not start: ${/Fault: [^\n]*/.exec(error.message)?.[0] ?? error.message}`,
      )
      if (back === 'it starts') await end('h2')
      say(`a host that comes back with release ${older}: ${back}`)
      await start('host', 'h2', releaseNow)
    }
    await publish('4-prices')
    await roll('h1', releaseNow)
    await roll('us1', releaseNow)
    await load()
    await end('client-new')
    await end('client-later')
    const written = ended.flatMap((each) => Object.entries(each.written ?? {}))
    const lost: string[] = []
    for (const [where, label] of written) {
      const [node = '', item = ''] = where.split(' ')
      const found = await operator.call({ node }, 'get', [item], { version: level, kind: 'query' })
      if (found !== label) lost.push(`${where} is ${String(found)}, and was acknowledged as ${label}`)
    }
    const stored = await operator.database.level()
    if (stored === null || Object.entries(newestLevel).some(([name, number]) => stored.numbers[name] !== number))
      throw new Error('the database does not have the level')
    return {
      calls: ended.reduce((sum, { calls = 0 }) => sum + calls, 0),
      failed: ended.flatMap(({ failed = [] }) => failed),
      wrong: ended.flatMap(({ wrong = [] }) => wrong),
      lost,
      slowestMs: Math.max(...ended.map(({ slowestMs = 0 }) => slowestMs)),
    }
  } finally {
    await operator.close().catch(() => {})
    for (const { member } of members.values()) member.kill()
    await Promise.all([natsServer.stop(), redisServer.stop()])
    rmSync(work, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { calls, failed, wrong, lost, slowestMs } = await rollReleases(process.argv[2] ?? '0.1.0', (line) => console.log(line))
  for (const each of [...failed, ...wrong, ...lost].slice(0, 20)) console.log(each)
  console.log(
    `${calls} calls, ${failed.length} failed, ${wrong.length} wrong answers, ${lost.length} acknowledged writes lost, the slowest took ${Math.round(slowestMs)} ms`,
  )
  process.exit(failed.length + wrong.length + lost.length === 0 ? 0 : 1)
}
