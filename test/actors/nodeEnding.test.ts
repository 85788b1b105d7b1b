/** How a node ends on its host: the order in which it does so, and the calls that wait meanwhile. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { StopBudget } from '../../actors/base/stopBudget.js'
import { type EndingNode, leave, stop } from '../../actors/node/nodeEnding.js'
import { NodeLife } from '../../actors/node/nodeLife.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Mailbox, type Turn } from '../../actors/serving/mailbox.js'
import type { Fault } from '../../core/base/fault.js'
import { gate } from '../support/testSystem.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'

function open({
  isElsewhere = false,
  drained = Promise.resolve(),
  withdrawn = Promise.resolve(),
  objectStopped = Promise.resolve(),
} = {}) {
  const clock = new ManualClock()
  const log: string[] = []
  const said = (what: string) => () => void log.push(what)
  const held: Turn[] = []
  const mailbox = new Mailbox(clock, 100, ownerOf())
  const life = new NodeLife()
  const node = {
    id: 'n1',
    services: {
      clock,
      settings: { ...defaultSettings, leaveMs: 1_000 },
      statusReporter: { release: (id: string) => void log.push(`release ${id}`) },
    },
    life,
    mailbox,
    subscriptions: {
      hearNothing: said('hear nothing'),
      leaveService: () => withdrawn.then(said('left the service')),
      drain: () => {
        log.push('drains')
        return drained.then(said('drained'))
      },
      close: said('close'),
    },
    learning: { stop: () => held.splice(0) },
    software: {
      stop: () => {
        log.push('stop the object')
        return objectStopped
      },
    },
    manager: { stop: said('no upgrade') },
    permit: { stop: said('no slot') },
    pass: { stop: said('no pass') },
    receiving: { closeContacts: said('keep its contacts') },
    isElsewhere,
  } as unknown as EndingNode
  /** A call as far as it is asked here. */
  const call = (name: string, isFromOutside = true): IncomingCall =>
    Object.create(IncomingCall.prototype, {
      isFromOutside: { value: isFromOutside },
      refuse: { value: (fault: Fault) => void log.push(`${name}: ${fault.code}`) },
      take: { value: said(`${name}: taken`) },
      run: { value: said(`${name}: run`) },
    })
  const turn = (name: string): Turn => ({ run: said(`${name}: run`) })
  return { clock, node, life, mailbox, held, call, turn, log, done: () => log.splice(0) }
}

const withdrawal = ['no upgrade', 'no slot', 'no pass', 'hear nothing', 'left the service']
const end = ['drains', 'drained', 'close', 'stop the object', 'keep its contacts', 'release n1']
const microtasks = () => new Promise((resolve) => setImmediate(resolve))

test('a node that stops withdraws, takes in what is on its way, and lets its object stop before it leaves the status reporter', async (t) => {
  const { node, life, clock, done } = open()
  await stop(node, undefined)
  t.deepEqual(done(), [...withdrawal, ...end])
  t.is(life.state, 'stopped')
  t.is(clock.timers, 0)
})

test('each step of a stop waits for the one before', async (t) => {
  const [withdrawn, drained, running, stopped] = [gate(), gate(), gate(), gate()]
  const passes = { withdrawn: withdrawn.pass(), drained: drained.pass(), objectStopped: stopped.pass() }
  const { node, mailbox, done } = open(passes)
  mailbox.open()
  mailbox.post({ run: () => running.pass() })
  const stopping = stop(node, undefined)
  await microtasks()
  t.deepEqual(done(), withdrawal.slice(0, 4))
  withdrawn.open()
  await microtasks()
  t.deepEqual(done(), ['left the service', 'drains'])
  drained.open()
  await microtasks()
  t.deepEqual(done(), ['drained', 'close'])
  running.open()
  await microtasks()
  t.deepEqual(done(), ['stop the object'])
  stopped.open()
  await stopping
  t.deepEqual(done(), ['keep its contacts', 'release n1'])
})

test('calls that wait for their turn, or for a version, are refused when their node stops, and other turns end', async (t) => {
  const { node, mailbox, held, call, turn, done } = open()
  for (const waiting of [call('a'), turn('b'), call('c', false)]) mailbox.add(waiting)
  held.push(call('d'))
  await stop(node, undefined)
  t.deepEqual(
    done().filter((what) => what.includes(':')),
    ['a: unavailable.stopped', 'c: unavailable.stopped', 'd: unavailable.stopped'],
  )
})

test('calls of a node that another host has are not answered by the one that stops', async (t) => {
  const { node, mailbox, held, call, done } = open({ isElsewhere: true })
  mailbox.add(call('a'))
  held.push(call('b'))
  await stop(node, undefined)
  t.deepEqual(
    done().filter((what) => what.includes(':')),
    ['a: taken', 'b: taken'],
  )
})

test('a stop takes its own time, or the part that is left of its host’s', async (t) => {
  const never = new Promise<void>(() => {})
  const own = open({ drained: never })
  const stopping = stop(own.node, undefined)
  await microtasks()
  own.clock.advance(750)
  await stopping
  t.deepEqual(own.done(), [...withdrawal, 'drains', ...end.slice(2)])
  t.is(own.clock.timers, 0)
  const hosts = open()
  const budget = new StopBudget(hosts.clock, 1_000)
  const { timers } = hosts.clock
  await stop(hosts.node, budget)
  t.is(hosts.clock.timers, timers, 'the host has not stopped yet')
})

test('a node that leaves refuses calls from outside, and goes on with those that are made for others', async (t) => {
  const [withdrawn, running] = [gate(), gate()]
  const { node, life, mailbox, call, turn, done } = open({ withdrawn: withdrawn.pass() })
  mailbox.open()
  mailbox.post({ run: () => running.pass() })
  for (const waiting of [call('a'), call('b', false), turn('c'), call('d')]) mailbox.add(waiting)
  let hasLeft = false
  const leaving = leave(node).then(() => (hasLeft = true))
  t.is(life.state, 'leaving')
  await microtasks()
  t.deepEqual(done(), withdrawal.slice(0, 4))
  withdrawn.open()
  await microtasks()
  t.deepEqual(done(), ['left the service', 'a: unavailable.stopped', 'd: unavailable.stopped'])
  t.false(hasLeft)
  running.open()
  await leaving
  t.deepEqual(done(), ['b: run', 'c: run'])
})
