/**
 * The upgrade manager of one node: one upgrade after the other, taken up again where a restart
 * finds it (DESIGN §5).
 */
import 'reflect-metadata'
import test from 'ava'
import type { ManagedNode } from '../../actors/upgrade/upgradeManager.js'
import { UpgradeManager } from '../../actors/upgrade/upgradeManager.js'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import { schedule } from '../../index.js'
import { gate } from '../support/testSystem.js'
import { born, type Options, open } from './upgradingNode.js'

const endless = schedule('never', () => new Promise(() => {}))

/** `heard`: the newest version that the upgrade server has told of. */
async function managed(options: Options = {}, heard = 1) {
  const opened = await open(options)
  const followed: number[] = []
  const history = Object.assign(opened.services.history, { heard })
  Object.assign(opened.services, {
    inspection: { follow: (_nodeId: string, target: number) => void followed.push(target) },
  })
  const manager = new UpgradeManager(opened.node as unknown as ManagedNode)
  /** The phases that were told, with their reasons. */
  const phases = () =>
    opened
      .done()
      .filter((entry) =>
        /^(current|fetching|verifying|rejected|scheduled|draining|transforming|checking|flipping|recovering|stalled) /.test(
          entry,
        ),
      )
  return { ...opened, history, followed, manager, phases }
}

test('a node takes up the next version that it hears of, and goes through all phases to it', async (t) => {
  const { manager, passing, phases, onDisk, followed } = await managed()
  t.false(manager.tellAgain())
  manager.consider()
  t.true(manager.tellAgain())
  manager.consider()
  await passing()
  await passing()
  t.deepEqual(
    [...new Set(phases().map((entry) => entry.split(' ')[0]))],
    ['fetching', 'verifying', 'scheduled', 'draining', 'transforming', 'checking', 'flipping', 'recovering', 'current'],
  )
  t.is(onDisk().generation.version, 1)
  t.deepEqual(followed, [1])
  t.false(manager.tellAgain())
})

test('a node that has heard of nothing newer takes up nothing, nor does one that has stopped', async (t) => {
  const nothing = await managed({}, 0)
  nothing.manager.consider()
  nothing.manager.resume()
  t.deepEqual(nothing.followed, [])
  const stopped = await managed()
  stopped.manager.stop()
  stopped.manager.consider()
  stopped.manager.resume()
  t.deepEqual(stopped.followed, [])
  const stalled = await managed({ record: { upgrade: { phase: 'stalled', target: 1, reason: 'why' } } })
  stalled.manager.stop()
  stalled.manager.resume()
  t.deepEqual(stalled.followed, [])
})

test('a node that stalled before a restart is stalled again for the same reason, until somebody asks for another try', async (t) => {
  const { manager, passing, phases, onDisk } = await managed({
    record: { upgrade: { phase: 'stalled', target: 1, reason: 'no stars' } },
  })
  manager.resume()
  await passing()
  t.deepEqual(phases(), ['stalled 1 no stars'])
  t.true(manager.tellAgain())
  t.deepEqual(phases(), ['stalled 1 no stars'])
  manager.retry()
  await passing()
  await passing()
  t.is(onDisk().generation.version, 1)
})

test('a node that is taught while it starts takes up its upgrade once, and as its record tells of it', async (t) => {
  const { manager, passing, phases, followed } = await managed({
    record: { upgrade: { phase: 'stalled', target: 1, reason: 'no stars' } },
  })
  manager.consider()
  t.deepEqual(followed, [1], 'it waits for nobody who resumes it')
  manager.resume()
  manager.resume()
  await passing()
  t.deepEqual(followed, [1])
  const told = phases()
  t.is(told.length, 1)
  t.regex(told[0]!, /^stalled .*no stars/)
})

test('an upgrade that leaves the node alone begins anew after a restart: what it stalled for is over', async (t) => {
  const { manager, passing, phases } = await managed({
    undos: [1],
    record: { upgrade: { phase: 'stalled', target: 1, reason: 'a call did not end' } },
  })
  manager.resume()
  await passing()
  t.is(phases()[0], 'fetching 1 ')
})

test('a node that was ended while it recovered goes on there, with the starts that failed before', async (t) => {
  const { manager, passing, phases, onDisk, followed } = await managed({
    record: {
      generation: { ...born, number: 1, version: 1, className: 'Notes.v2' },
      previous: born,
      upgrade: { phase: 'recovering', target: 1, startsFailed: 1 },
    },
  })
  manager.resume()
  await passing()
  t.is(phases()[0], 'recovering 1 ')
  t.deepEqual(followed, [1])
  t.is(onDisk().previous, null)
})

test('a fetch that fails is tried again after a pause that doubles', async (t) => {
  const { manager, passing, steps, clock, done } = await managed()
  steps.set('fetch 1', new Fault('upgrade.fetch', 'not now'))
  manager.consider()
  await passing()
  const tries = () => done().filter((entry) => entry === 'fetch 1').length
  t.is(tries(), 1)
  clock.advance(99)
  await passing()
  t.is(tries(), 0)
  clock.advance(1)
  await passing()
  t.is(tries(), 1)
})

test('an upgrade that is undone while its node waits is passed', async (t) => {
  const { manager, passing, phases, history, onDisk } = await managed({
    schedule: endless,
    record: { newest: 2, generation: { ...born, simulations: { 1: '0.1' } } },
  })
  manager.consider()
  await passing()
  t.is(phases().at(-1), 'scheduled 1 ')
  history.undoOf = (version) => (version === 1 ? 2 : null)
  history.heard = 2
  manager.consider()
  await passing()
  t.is(onDisk().generation.version, 2)
})

test('a node that stops in the middle of an upgrade says nothing more of it', async (t) => {
  const { manager, passing, done, clock } = await managed({ schedule: endless })
  manager.consider()
  await passing()
  manager.stop()
  done()
  clock.advance(60_000)
  await passing()
  t.deepEqual(done(), [])
  t.false(manager.tellAgain())
})

test('one upgrade follows the other, also after a restart', async (t) => {
  const { manager, passing, history, followed } = await managed({ record: { newest: 2 } }, 2)
  history.newest = 2
  manager.resume()
  for (let i = 0; i < 4; i++) await passing()
  t.deepEqual(followed, [1, 2])
})

test('a new object that does not pass its check leaves the old one, and the upgrade stalls with the reason', async (t) => {
  const { manager, passing, steps, phases, onDisk, all } = await managed()
  steps.set('check silently', new Error('no stars'))
  manager.consider()
  await passing()
  await passing()
  t.is(onDisk().generation.version, 0)
  const log = all()
  t.true(log.includes('start old') && log.includes('serve'))
  t.true(log.includes('stalled 1 upgrade.check: no stars'))
  t.deepEqual(phases(), [])
})

test('a new object that does not start is started again after pauses, and flipped back in the end with the reason', async (t) => {
  const { manager, passing, steps, clock, onDisk, all } = await managed()
  steps.set('run start', new Error('no port'))
  manager.consider()
  await passing()
  await passing()
  t.is(all().filter((entry) => entry === 'run start').length, 1)
  clock.advance(99)
  await passing()
  t.is(all().filter((entry) => entry === 'run start').length, 0)
  for (let i = 0; i < 10; i++) {
    clock.advance(125)
    await passing()
  }
  t.is(all().filter((entry) => entry === 'run start').length, 2)
  t.deepEqual(onDisk().upgrade, { phase: 'stalled', target: 1, reason: 'upgrade.start: no port' })
  t.deepEqual(onDisk().generation, born)
})

test('a drain that fails is tried again after a pause', async (t) => {
  const { manager, passing, steps, clock, all } = await managed()
  steps.set('leave', new Error('not now'))
  manager.consider()
  await passing()
  t.is(all().filter((entry) => entry === 'leave').length, 1)
  clock.advance(99)
  await passing()
  t.is(all().filter((entry) => entry === 'leave').length, 0)
  clock.advance(30)
  await passing()
  t.is(all().filter((entry) => entry === 'leave').length, 1)
})

test('a node that stops while it waits for its permit leaves the queue, and takes no permit later', async (t) => {
  const { manager, passing, clock, database, holders, node } = await managed()
  await database.claimPermit('pages', { nodeId: 'other', version: 1, isUndo: false }, { nodes: 1 })
  manager.consider()
  await passing()
  manager.stop()
  node.isEnding = true
  t.false(node.services.upgradeQueue.isFull('pages'))
  await database.releasePermit('pages', 'other')
  for (let i = 0; i < 5; i++) {
    clock.advance(200)
    await passing()
  }
  t.deepEqual(await holders(), [])
})

test('a node that stops while it drains leaves its place in the queue of its host to others', async (t) => {
  const { manager, passing, steps, services } = await managed()
  steps.set('leave', gate())
  manager.consider()
  await passing()
  const { upgradeQueue } = services
  while (!upgradeQueue.isFull('pages')) await upgradeQueue.take('pages', new AbortController().signal)
  manager.stop()
  t.false(upgradeQueue.isFull('pages'))
})

test('an upgrade that is undone while it waits between two tries leaves no timer behind', async (t) => {
  const { manager, passing, steps, clock, history, onDisk } = await managed({
    record: { newest: 2, generation: { ...born, simulations: { 1: '0.1' } } },
  })
  steps.set('fetch 1', new Fault('upgrade.fetch', 'not now'))
  const before = clock.timers
  manager.consider()
  await passing()
  t.is(clock.timers, before + 1)
  history.undoOf = (version) => (version === 1 ? 2 : null)
  history.heard = 2
  manager.consider()
  await passing()
  t.is(onDisk().generation.version, 2)
  t.is(clock.timers, before)
})

test('an inspector hears what the statechart of an upgrade does', async (t) => {
  const { manager, passing, services } = await managed()
  const heard = new Set<string>()
  Object.assign(services, { inspect: ({ type }: { type: string }) => void heard.add(type) })
  manager.consider()
  await passing()
  t.true(heard.has('@xstate.snapshot'))
})

test('a phase that can not be told is warned of, and the upgrade goes on', async (t) => {
  const { manager, passing, node, onDisk, all } = await managed()
  const { report } = node
  node.report = (...told) => {
    if (told[0] === 'draining') throw new Error('nobody listens')
    report(...told)
  }
  manager.consider()
  await passing()
  await passing()
  t.true(all().includes('warning n1: its phase could not be told'))
  t.is(onDisk().generation.version, 1)
})

test('C10: an invariant that is broken in a step, or when a phase is told, restarts the node, and the upgrade goes on', async (t) => {
  const step = await managed()
  step.steps.set('fetch 1', new InvariantViolation('C1: two objects'))
  step.manager.consider()
  await step.passing()
  t.true(step.all().includes('crash C1: two objects'))
  const told = await managed()
  told.node.report = (...what) => {
    if (what[0] === 'verifying') throw new InvariantViolation('C10: without a reason')
  }
  told.manager.consider()
  await told.passing()
  await told.passing()
  t.true(told.all().includes('crash C10: without a reason'))
  t.is(told.onDisk().generation.version, 1)
})

test('a node holds its permit while it is away', async (t) => {
  const { manager, passing, steps, holders } = await managed()
  const leaving = gate()
  steps.set('leave', leaving)
  manager.consider()
  await passing()
  t.deepEqual(await holders(), ['n1'])
  leaving.open()
  await passing()
})

test('an upgrade that stalled stays so after a restart, also where its reason or its manifest is not here', async (t) => {
  const nameless = await managed({ record: { upgrade: { phase: 'stalled', target: 1, reason: '' } } })
  nameless.manager.resume()
  await nameless.passing()
  t.deepEqual(nameless.phases(), ['stalled 1 the reason was not kept'])
  const unknown = await managed({ undos: [1], record: { upgrade: { phase: 'stalled', target: 1, reason: 'why' } } })
  unknown.history.newest = 0
  unknown.manager.resume()
  await unknown.passing()
  t.deepEqual(unknown.phases(), ['stalled 1 why'])
})

test('an undo, and an order to try again, find nothing to do where no upgrade is under way', async (t) => {
  const { manager, passing, history, followed } = await managed({}, 0)
  history.undoOf = (version) => version + 1
  t.notThrows(() => manager.consider())
  manager.retry()
  await passing()
  t.deepEqual(followed, [])
})
