/** A node as the calls see it that it receives, on its own. */
import type { Departures } from '../../actors/state/departures.js'
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { NodeLife } from '../../actors/node/nodeLife.js'
import { type CalledNode, ReceivingNode } from '../../actors/node/receivingNode.js'
import type { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Fault } from '../../core/base/fault.js'
import { ManualClock } from './manualClock.js'

const departures = {} as Departures

function open() {
  const clock = new ManualClock()
  const log: string[] = []
  const life = new NodeLife()
  const inTwoSteps = async (what: string) => {
    log.push(what)
    await new Promise((resolve) => setImmediate(resolve))
    log.push(`${what} has ended`)
  }
  const world = { isStarting: false, isOpen: true, isClosed: false, hasChain: true, isElsewhere: false, goOn: () => {} }
  const node = {
    id: 'n1',
    service: 'pages',
    services: {
      clock,
      settings: { ...defaultSettings, system: 'shop', hostId: 'h1' },
      history: { heard: 3, newest: 3, wasIntroduced: (event: string) => event === 'later' },
      fence: {
        isClosed: () => world.isClosed,
        whenOpen: (goOn: () => void) => {
          log.push('waits for the fence')
          world.goOn = goOn
        },
      },
      outbox: {
        add(to: string) {
          if (to === 'full') throw new Error('too large')
          log.push(`reply to ${to}`)
        },
      },
      observe: ({ type, message, error }: any) => void log.push(type === 'warning' ? `${message}: ${error.message}` : type),
      calls: { incarnation: 9 },
      callRecorder: { received: undefined },
      inspection: {
        callTimes: { add: (...seen: readonly unknown[]) => void log.push(`took ${seen.join(' ')}`) },
      },
    },
    life,
    recordStore: { record: { incarnation: 2 }, replier: { node: 'n1', className: 'Pages.v1', version: 3 } },
    software: {
      get hasChain() {
        return world.hasChain
      },
      get chain() {
        if (!world.hasChain) throw new Error('there is no chain')
        return { at: (version: number) => (version <= 3 ? {} : undefined) }
      },
      isReentrant: false,
      get changeover() {
        return world.isStarting ? { path: ['n1/2/0'] } : undefined
      },
      stop: () => inTwoSteps('stop'),
      start: () => inTwoSteps('start'),
    },
    departures,
    learning: { hold: () => void log.push('waits for a version') },
    crash: (error: Error) => void log.push(`crash: ${error.message}`),
    mailbox: {
      get isOpen() {
        return world.isOpen
      },
      post: () => void log.push('takes its turn'),
      add: (call: IncomingCall) => void log.push(`timer ${call.envelope.method} ${call.envelope.incarnation}`),
    },
    get isElsewhere() {
      return world.isElsewhere
    },
  } as unknown as CalledNode
  const receiving = new ReceivingNode(node)
  const accept = (isFromOutside = true, path: readonly string[] | null = null) => {
    receiving.accept({
      ...{ envelope: { path }, isFromOutside, isMadeFor: (entry: string) => path?.includes(entry) === true },
      refuse: ({ code, message }: Fault) => void log.push(`${code} ${message}`),
      holdFor: (why: string) => void log.push(`held for ${why}`),
    } as unknown as IncomingCall)
    return log.splice(0)
  }
  return { receiving, life, world, accept, done: () => log.splice(0) }
}

const behind = 'unavailable.upgrading node n1 comes back at a dead version and upgrades before it serves'
const stopped = 'unavailable.stopped node n1 has stopped'

test('a call takes its turn, and is held where the mailbox is closed', (t) => {
  const { life, world, accept } = open()
  t.deepEqual(accept(), ['takes its turn'])
  life.serve(false)
  t.deepEqual(accept(), ['takes its turn'])
  t.deepEqual(accept(true, ['x/1/1']), ['takes its turn'])
  world.isOpen = false
  t.deepEqual(accept(), ['held for unavailable.upgrading', 'takes its turn'])
})

test('a call that the node’s own start() leads to is refused, and takes no turn', (t) => {
  const { world, accept } = open()
  world.isStarting = true
  t.deepEqual(accept(true, ['x/1/1']), ['takes its turn'])
  const [refusal, ...more] = accept(false, ['x/1/1', 'n1/2/0'])
  t.regex(refusal!, /^protocol\.call-cycle node n1 answers nobody before its start\(\)/)
  t.deepEqual(more, [])
})

test('calls wait for a version at the node’s learning, and leave by the node’s departures; its crash is the node’s', (t) => {
  const { receiving, done } = open()
  receiving.hold({} as IncomingCall)
  receiving.crash(new Error('disk full'))
  t.deepEqual(done(), ['waits for a version', 'crash: disk full'])
  t.is(receiving.departures, departures)
})

test('an event that an upgrade has brought, and that comes twice, is known the second time', (t) => {
  const { receiving } = open()
  const event = (method: string) => ({ envelope: { method, label: 3 }, caller: { name: null }, id: 'x/1/1' }) as IncomingCall
  t.deepEqual([receiving.isRepeated(event('later')), receiving.isRepeated(event('later'))], [false, true])
  t.deepEqual([receiving.isRepeated(event('ever')), receiving.isRepeated(event('ever'))], [false, false])
})

test('a node that is behind, leaves or has stopped refuses calls; one that leaves takes those that are made for others', (t) => {
  const { life, accept } = open()
  life.serve(true)
  t.deepEqual([accept(), accept(false)], [[behind], [behind]])
  life.leave()
  t.deepEqual([accept(), accept(false)], [[stopped], ['takes its turn']])
  life.stop()
  t.deepEqual([accept(), accept(false)], [[stopped], [stopped]])
})

test('a node that another host has hears nothing', (t) => {
  const { receiving, world, done } = open()
  world.isElsewhere = true
  // It names no inbox: a node says so of each that it hears.
  const message = { payload: new Uint8Array([0xc1]), subject: 'shop', replyTo: 'desk' } as never
  receiving.receive(message)
  receiving.hear(message)
  t.deepEqual(done(), [])
  world.isElsewhere = false
  receiving.receive(message)
  receiving.hear(message)
  t.deepEqual(done(), ['deadLetter', 'deadLetter'])
})

test('before its object is there a node knows every version, then those of its chain', (t) => {
  const { receiving, world } = open()
  t.deepEqual([receiving.knows(3), receiving.knows(4)], [true, false])
  world.hasChain = false
  t.true(receiving.knows(4))
})

test('a timer that is due while the host may not answer waits until it may, unless its node has stopped', (t) => {
  const { receiving, life, world, done } = open()
  const due = () => receiving.callSelf({ isOver: false } as never, null, 'tick', [])
  due()
  t.deepEqual(done(), ['timer tick 2'])
  world.isClosed = true
  due()
  t.deepEqual(done(), ['waits for the fence'])
  world.isClosed = false
  world.goOn()
  t.deepEqual(done(), ['timer tick 2'])
  world.isClosed = true
  due()
  life.stop()
  world.isClosed = false
  world.goOn()
  t.deepEqual(done(), ['waits for the fence'])
})

test('an object is made anew, but not of a node that has stopped meanwhile', async (t) => {
  const { receiving, life, done } = open()
  await receiving.rebuild()
  t.deepEqual(done(), ['stop', 'stop has ended', 'start', 'start has ended'])
  life.stop()
  await receiving.rebuild()
  t.deepEqual(done(), ['stop', 'stop has ended'])
})

test('a reply that does not leave is told of', (t) => {
  const { receiving, done } = open()
  receiving.reply('desk', new Uint8Array())
  receiving.reply('full', new Uint8Array())
  t.deepEqual(done(), ['reply to desk', 'n1: a reply is too large: too large'])
})

test('calls are counted by version: its own, those through simulation objects, and failures of versions that there are', (t) => {
  const { receiving, done } = open()
  t.is(receiving.tally(2, false), receiving.tally(2, false))
  receiving.tally(2, false).calls++
  receiving.tally(2, true).calls += 2
  t.deepEqual([receiving.tally(2, false).calls, receiving.tally(2, true).calls, receiving.tally(3, true).calls], [1, 2, 0])
  receiving.countFailure(2, new Fault('simulation.refused', 'no'))
  receiving.countFailure(2, new Fault('application.error', 'no'))
  receiving.countFailure(3, undefined)
  receiving.countFailure(4, undefined)
  const seen = receiving.tallies.map(({ version, refused, failed }) => [version, refused, failed])
  t.deepEqual(seen, [
    [2, 1, 1],
    [3, 0, 1],
  ])
  for (let i = 0; i < 8; i++) receiving.count('answered', receiving.monotonicMs() - 12, 3)
  t.is(receiving.counts.answered, 8)
  t.deepEqual(done(), ['took pages 3 12'])
})
