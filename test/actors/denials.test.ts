/**
 * Denied calls are told of without filling a log: the first of its kind at once, the next ones
 * of the same second together.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { type Denial, Denials } from '../../actors/serving/denials.js'
import { Fault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { ManualClock } from './manualClock.js'

function open(denialsMax = 100) {
  const clock = new ManualClock()
  const told: string[] = []
  const settings = { ...defaultSettings, system: 's', hostId: 'h', denialsMs: 1_000, denialsMax }
  const counted: Denial[] = []
  const observe = (event: HostEvent) => {
    if (event.type === 'denied') told.push(`${event.caller.name ?? event.caller.node} ${event.method} ${event.count}`)
    else if (event.type === 'warning') told.push(event.message)
  }
  const denials = new Denials(clock, settings, observe, { count: (denial) => void counted.push(denial) })
  const deny = (name: string | null, change: Partial<Denial> = {}) =>
    denials.tell({
      nodeId: 'n1',
      caller: { name, node: 'desk', className: 'Client', version: 0 },
      method: 'add',
      label: 0,
      fault: new Fault('denied.rate', 'too many'),
      ...change,
    })
  return { clock, deny, counted, take: () => told.splice(0) }
}

test('the first denial of a kind is told of at once, those of the next second together after it', (t) => {
  const { clock, deny, take } = open()
  for (let i = 0; i < 4; i++) deny('ann')
  deny('bob')
  t.deepEqual(take(), ['ann add 1', 'bob add 1'])
  t.is(clock.timers, 1)
  clock.advance(999)
  t.deepEqual(take(), [])
  clock.advance(1)
  t.deepEqual(take(), ['ann add 3'])
  clock.advance(5_000)
  t.deepEqual(take(), [], 'nothing more is said of what is over')
  t.is(clock.timers, 0, 'while nobody is denied nothing is to be done')
  deny('ann')
  deny('ann')
  t.deepEqual(take(), ['ann add 1'])
  clock.advance(1_000)
  t.deepEqual(take(), ['ann add 1'])
})

test('another node, caller, method or reason is another kind', (t) => {
  const { deny, take } = open()
  deny('ann')
  deny('ann', { nodeId: 'n2' })
  deny('ann', { method: 'remove' })
  deny('ann', { fault: new Fault('denied.filter', 'no') })
  deny('ann', { label: 3, fault: new Fault('denied.rate', 'in other words') })
  // One without a name may say that it is called as another one.
  deny('desk')
  deny(null)
  deny(null, { caller: { name: null, node: 'phone', className: 'Client', version: 0 } })
  t.deepEqual(take(), ['ann add 1', 'ann add 1', 'ann remove 1', 'ann add 1', 'desk add 1', 'desk add 1', 'phone add 1'])
})

test('of more kinds than are told one by one it is said how many calls they were', (t) => {
  const { clock, deny, take } = open(2)
  for (const name of ['a', 'b', 'c', 'd', 'c', 'a']) deny(name)
  t.deepEqual(take(), ['a add 1', 'b add 1'])
  clock.advance(1_000)
  t.deepEqual(take(), ['a add 1', '3 calls more were denied than can be told one by one'])
  deny('c')
  clock.advance(1_000)
  t.deepEqual(take(), ['c add 1'], 'each second begins anew')
})

test('each denial is counted for the audit, also those that are told of together, or not one by one', (t) => {
  const { deny, counted } = open(1)
  for (const name of ['ann', 'ann', 'bob']) deny(name)
  t.deepEqual(
    counted.map(({ caller }) => caller.name),
    ['ann', 'ann', 'bob'],
  )
})
