/**
 * The answers of an upgrade server to "head": for a flood as well as for one, and whatever the database says
 * of deaths and finality.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import {
  endedVersionsMax,
  HeadAnswers,
  type HeadSources,
  headReadingsMax,
  headWindowMs,
} from '../../actors/server/headAnswers.js'
import { pagesAtOnce, pagesWaitingMax, questionsMax } from '../../actors/server/upgradeServer.js'
import { Fault } from '../../core/base/fault.js'
import { nothingDead, type UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import { encodeCall } from '../../core/wire/codec.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { askServer, question } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { answerInPlaceOfServer } from '../support/impersonatedServer.js'
import { ManualClock } from '../support/manualClock.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const digest = 'a'.repeat(64)

/** A database that says what the test sets, and answers when it lets it. */
class Said {
  version = 3
  dead: unknown = 0
  final: unknown = 0
  log: { id: string; count: number } = { id: 'log-1', count: 4 }
  wanted: readonly string[] = []
  readings = 0
  atOnce = 0
  mostAtOnce = 0
  readonly givenBack: unknown[] = []
  readonly events: HostEvent[] = []
  readonly clock = new ManualClock(0)
  wait: () => Promise<void> = async () => {}
  waitBack: () => Promise<void> = async () => {}

  readonly answers = new HeadAnswers({
    clock: this.clock,
    log: async () => this.log,
    wanted: async () => this.wanted,
    restoreEnded: async (over) => {
      this.givenBack.push(over)
      await this.waitBack()
      this.dead = Math.max(this.dead as number, over.dead)
    },
    observe: (event) => void this.events.push(event),
    database: {
      dead: async () => {
        this.readings++
        this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
        await this.wait()
        this.atOnce--
        if (this.dead instanceof Fault) throw this.dead
        return { ...nothingDead, inForce: this.dead as number }
      },
      finalized: async () => {
        if (this.final instanceof Fault) throw this.final
        return this.final as number
      },
      head: async () => ({ version: this.version, digest }),
    } satisfies HeadSources['database'],
  })

  get warnings(): readonly string[] {
    return this.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  }
}

test('all who ask while a reading goes on are answered by the next one, which begins after they asked', async (t) => {
  const said = new Said()
  const gate = Promise.withResolvers<void>()
  said.wait = () => gate.promise
  const first = said.answers.answer(undefined)
  await until(() => said.readings === 1, 'it reads')
  const rest = Array.from({ length: 1000 }, () => said.answers.answer(undefined))
  said.version = 4
  await new Promise(setImmediate)
  t.is(said.readings, 1, 'one at a time')
  gate.resolve()
  t.is((await first).version, 3)
  t.deepEqual([...new Set((await Promise.all(rest)).map(({ version }) => version))], [4])
  t.deepEqual([said.readings, said.mostAtOnce], [2, 1])
})

test('readings are so many within a window, however often it is asked', async (t) => {
  const said = new Said()
  let answered = 0
  for (let i = 0; i < headReadingsMax; i++) {
    await said.answers.answer(undefined)
    answered++
  }
  const ask = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      await said.answers.answer(undefined)
      answered++
    }
  }
  const asking = Promise.all([ask(), ask()])
  await said.clock.runUntil(headWindowMs - 1)
  t.deepEqual([said.readings, answered], [headReadingsMax, headReadingsMax])
  await said.clock.runUntil(headWindowMs)
  await asking
  t.is(answered, headReadingsMax + 20)
  await said.clock.runUntil(10 * headWindowMs)
  await said.answers.answer(undefined)
})

test('a reading that fails fails those who wait for it, and no others', async (t) => {
  const said = new Said()
  said.dead = new Fault('unavailable.disconnected', 'away')
  const both = [said.answers.answer(undefined), said.answers.answer(undefined)]
  for (const one of both) await t.throwsAsync(one, { message: 'away' })
  said.dead = 0
  t.is((await said.answers.answer(undefined)).version, 3)
})

test('a death above the newest version, finality above it, and what can’t be read are told once and answered to nobody', async (t) => {
  const unreadable = new Fault('upgrade.invalid', 'Redis key dead holds no versions and moment of a death')
  const insane = [99, 4, -1, 1.5, Number.NaN, '2', null, unreadable]
  for (const [i, what] of [...insane, ...insane].entries()) {
    const said = new Said()
    const isDead = i < insane.length
    t.like(await said.answers.answer(undefined), { dead: 0, final: 0, version: 3, digest })
    if (isDead) said.dead = 2
    else said.final = 2
    await said.answers.answer(undefined)
    if (isDead) said.dead = what
    else said.final = what
    for (let times = 0; times < 3; times++)
      t.like(await said.answers.answer(undefined), { dead: isDead ? 2 : 0, final: isDead ? 0 : 2 }, `as before, and not ${what}`)
    t.is(said.warnings.length, 1, `${what}`)
    t.regex(said.warnings[0]!, /ignored, until it is repaired or removed$/)
    if (isDead) said.dead = 3
    else said.final = 3
    t.like(await said.answers.answer(undefined), isDead ? { dead: 3 } : { final: 3 })
  }
})

test('after the history was lost nothing is dead or final above what is left', async (t) => {
  const said = new Said()
  said.dead = 3
  await said.answers.answer(undefined)
  said.version = 1
  t.like(await said.answers.answer(undefined), { version: 1, dead: 1 })
})

test('a log of directives that makes no sense is answered as none, and a list of lost bundles without what is no digest', async (t) => {
  const said = new Said()
  said.log = { id: 'log-1', count: -2 }
  said.wanted = ['garbage', digest]
  t.like(await said.answers.answer(undefined), { directives: 0, log: null, wanted: [digest] })
  said.log = { id: 'x'.repeat(1000), count: 1 }
  said.wanted = ['garbage']
  const answer = await said.answers.answer(undefined)
  t.deepEqual([answer.log, answer.wanted], [null, undefined])
  t.is(said.warnings.length, 2)
})

test('what hosts know to be dead is given back once for all who say it, and never what no version can be', async (t) => {
  const said = new Said()
  const overs = [
    { dead: 2, final: 0 },
    { dead: 2, final: 0 },
    { dead: 99, final: 99 },
    { dead: '2', final: 0 },
    null,
    7,
    { dead: 0, final: 0 },
  ]
  const answers = await Promise.all(overs.map((over) => said.answers.answer(over)))
  t.deepEqual(said.givenBack, [{ dead: 2, final: 0 }])
  t.true(answers.every(({ dead }) => dead === 2))
  said.version = 1000
  await Promise.all(Array.from({ length: 500 }, (_, i) => said.answers.answer({ dead: i + 3, final: 1 })))
  t.true(said.givenBack.length <= 1 + endedVersionsMax)
})

test('what a host knows to be over is given back where the database knows less and no version is above the newest', async (t) => {
  for (const [dead, final, isGiven] of [
    [1, 1, false],
    [2, 1, true],
    [1, 2, true],
    [3, 0, true],
    [4, 1, false],
    [0, 2, true],
    [0, 3, true],
    [0, 4, false],
    [0, 1, false],
    [2, '1', false],
  ] as const) {
    const said = new Said()
    said.dead = said.final = 1
    const delay = () => new Promise<void>((resolve) => setImmediate(resolve))
    said.waitBack = delay
    t.like(await said.answers.answer({ dead, final }), { dead: isGiven ? Math.max(1, dead) : 1 }, 'read after it was given back')
    t.deepEqual(said.givenBack, isGiven ? [{ dead, final }] : [], `${dead} ${final}`)
    // It is not given back again for others, who have not said so.
    said.dead = 1
    await said.answers.answer(undefined)
    t.is(said.givenBack.length, isGiven ? 1 : 0)
  }
})

test('a question that has to wait for the next window is answered when that begins', async (t) => {
  const said = new Said()
  for (let i = 0; i < headReadingsMax; i++) await said.answers.answer(undefined)
  await said.clock.runUntil(30)
  let isAnswered = false
  const asked = said.answers.answer(undefined).then(() => (isAnswered = true))
  await said.clock.runUntil(headWindowMs - 1)
  t.false(isAnswered)
  await said.clock.runUntil(headWindowMs)
  await asked
  t.true(isAnswered)
})

test('what makes no sense from the beginning is answered as nothing, and told again when it has been well meanwhile', async (t) => {
  const said = new Said()
  said.dead = said.final = 99
  t.like(await said.answers.answer(undefined), { dead: 0, final: 0 })
  said.dead = said.final = 2
  await said.answers.answer(undefined)
  t.is(said.warnings.length, 2)
  said.dead = 99
  await said.answers.answer(undefined)
  t.is(said.warnings.length, 3)
})

test('a log is told as it is, an empty one too, unless its count is none', async (t) => {
  const said = new Said()
  for (const [count, directives, log] of [
    [4, 4, 'log-1'],
    [0, 0, 'log-1'],
    [1.5, 0, null],
  ] as const) {
    said.log = { id: 'log-1', count }
    t.like(await said.answers.answer(undefined), { directives, log })
  }
  t.is(said.warnings.length, 1)
})

/** Starts an upgrade server whose database is changed so. */
async function serverWith(system: TestSystem, change: (database: UpgradeDatabase) => Partial<UpgradeDatabase>): Promise<void> {
  await system.stopServer()
  const open = async (name: string, clock: Clock) => {
    const database = await system.udb.open(name, clock)
    return Object.assign(database, change(database))
  }
  await system.startServer({ udb: { open } })
}

async function counted(t: ExecutionContext) {
  const system = await TestSystem.start(t)
  const readings = { count: 0 }
  await serverWith(system, (database) => {
    const head = database.head.bind(database)
    return {
      head: () => {
        readings.count++
        return head()
      },
    }
  })
  await until(async () => (await askServer(system, 'server', 'head')).startsWith('answered'), 'it answers')
  return { system, readings }
}

test('a flood of questions is answered by few readings of the database, and leaves room for upgrades', async (t) => {
  const { system, readings } = await counted(t)
  readings.count = 0
  const startedAt = system.clock.monotonicMs()
  const ask = () => askServer(system, 'server', 'head', { dead: 9, final: 9 })
  const answers = await Promise.all(Array.from({ length: 3 * questionsMax.count }, ask))
  const took = system.clock.monotonicMs() - startedAt
  const counts = Map.groupBy(answers, (answer) => answer.split(' ')[0]!)
  t.deepEqual([...counts.keys()].sort(), ['answered', 'unavailable.overloaded'])
  t.true(counts.get('answered')!.length >= questionsMax.count)
  t.true(readings.count <= headReadingsMax * (1 + took / headWindowMs), `${readings.count} readings in ${took} ms`)
  const flood = Promise.all(Array.from({ length: questionsMax.count + 1 }, ask))
  t.is(await askServer(system, 'install', 'putChunk', digest, 0, new Uint8Array(1)), 'answered null')
  t.true((await flood).includes('unavailable.overloaded'))
})

test('pages of manifests are read so many at once, and so many wait: what is on its way stays small', async (t) => {
  const system = await TestSystem.start(t)
  await system.publish(toV2())
  const opened = Promise.withResolvers<void>()
  let reading = 0
  // A server reads the history before it answers anybody.
  let hasStarted = false
  await serverWith(system, (database) => {
    const manifests = database.manifests.bind(database)
    return {
      manifests: async (from, to) => {
        if (!hasStarted) return manifests(from, to)
        reading++
        await opened.promise
        return manifests(from, to)
      },
    }
  })
  hasStarted = true
  const answers = Promise.all(Array.from({ length: 3 * pagesWaitingMax }, () => askServer(system, 'server', 'manifests', 1, 1)))
  await until(() => reading >= pagesAtOnce, 'pages are read')
  t.true((await askServer(system, 'server', 'head')).startsWith('answered'))
  t.true(reading <= pagesAtOnce + 2, `${reading}`)
  opened.resolve()
  const counts = Map.groupBy(await answers, (answer) => answer.split(' ')[0]!)
  t.is(counts.get('unavailable.overloaded')!.length, 2 * pagesWaitingMax - pagesAtOnce)
  t.is(counts.get('answered')!.length, pagesWaitingMax + pagesAtOnce)
})

test('a question without a way to answer costs no reading', async (t) => {
  const { system, readings } = await counted(t)
  const transport = memoryTransport(system.broker)
  t.teardown(() => transport.close())
  readings.count = 0
  const call = encodeCall({ ...question, method: 'head', args: [] })
  for (let i = 0; i < 20; i++) {
    transport.publish(subjectsOf(system.name).server, call)
    t.true((await askServer(system, 'server', 'who')).startsWith('answered'))
  }
  // A host of the system asks by itself.
  t.true(readings.count <= 5, `${readings.count}`)
})

test('a host is told of no death or finality above the newest version, and learns the version all the same', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 })
  const host = await system.host('h')
  const node = await host.node(NotesV1, 'n1')
  await serverWith(system, () => ({
    dead: async () => ({ below: 99, sinceMs: 0, inForce: 99 }),
    finalized: async () => 99,
  }))
  await system.publish(toV2())
  await node.reached(1)
  t.is(await codeOf(at0(system)), 'answered []')
  t.deepEqual(
    host.warnings().filter((message) => message.includes('99')),
    [],
  )
})

test('a host that is told of a death above the newest version heeds it not, and says so once', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 })
  const host = await system.host('h')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  const { version, digest: newest } = await system.database.head()
  for (const [dead, final] of [
    [2, 0],
    [0, 2],
    [{}, []],
  ]) {
    const before = host.warnings().length
    const head = { version, digest: newest, dead, final, directives: 0 }
    const server = answerInPlaceOfServer(t, system, ({ method }) => (method === 'head' ? head : null))
    await until(() => server.answered.count > 5, 'it is told several times')
    server.leave()
    const warnings = host.warnings().slice(before)
    t.is(warnings.length, 1)
    t.regex(warnings[0]!, /^the upgrade server says that .* and the newest is 1: what can't be is ignored$/)
    t.is(await codeOf(at0(system)), 'answered []')
  }
})

function at0(system: TestSystem): Promise<unknown> {
  return system.desk.running.operator.call({ node: 'n1' }, 'all', [], { version: 0, kind: 'query' })
}

test('a head that makes no sense is answered with what does where nobody observes', async (t) => {
  const clock = new ManualClock(0)
  const answers = new HeadAnswers({
    clock,
    log: async () => ({ id: 'log-1', count: 0 }),
    wanted: async () => [],
    restoreEnded: async () => {},
    database: {
      dead: async () => ({ ...nothingDead, inForce: 9 }),
      finalized: async () => 0,
      head: async () => ({ version: 1, digest }),
    },
  })
  t.like(await answers.answer(null), { version: 1, dead: 0, final: 0 })
})
