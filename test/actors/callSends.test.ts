/** The messages that leave with the commit of a call, and those that do not. */
import 'reflect-metadata'
import test from 'ava'
import type { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Fault } from '../../core/base/fault.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { failingMethods, heldDisk, open, outerCall, own, settled } from './incomingCallFixture.js'

test('sends of a command leave with its commit, before its answer, and those of one that fails never', async (t) => {
  const left: string[] = []
  const calls: IncomingCall[] = []
  const s = open({
    send(state) {
      state.n++
      for (const name of ['first', 'second']) calls.at(-1)!.sends!.push(() => left.push(name))
    },
    fail(state) {
      state.n++
      calls.at(-1)!.sends!.push(() => left.push('of the failed one'))
      throw new Error('no')
    },
    lookQuery: () => left.push(`a query: ${calls.at(-1)!.sends}`),
  })
  const call = (method: string, kind: CallEnvelope['kind'] = kinds.call) => {
    calls.push(s.arrived(method, [], { kind }))
    s.mailbox.post(calls.at(-1)!)
  }
  const disk = heldDisk(s)
  call('send')
  t.deepEqual(await s.answers(), [])
  t.deepEqual(left, [])
  disk.open()
  t.deepEqual(await s.answers(), ['1 undefined'])
  t.deepEqual(left.splice(0), ['first', 'second'])
  s.node.rebuilding = async () => void left.push(`while it is built anew: ${calls.at(-1)!.sends}`)
  call('fail')
  t.deepEqual(await s.answers(), ['2 application.error'])
  t.deepEqual(left.splice(0), ['while it is built anew: undefined'])
  call('send', kinds.send)
  t.deepEqual(await s.answers(), [])
  t.deepEqual(left.splice(0), ['first', 'second'], 'of a send too')
  call('lookQuery')
  t.deepEqual(left.splice(0), ['a query: undefined'])
  s.node.isElsewhere = true
  call('send')
  t.deepEqual(await s.answers(), ['4 1'])
  t.deepEqual(left, [])
})

test('a command that fails says so to what was to leave with its commit, also that of calls inside it; one that is kept does not', async (t) => {
  const givenUp: string[] = []
  const s = outerCall('outerFails')
  s.outer.whenFailed(() => givenUp.push('outer'))
  const slow = s.inside('slow')
  slow.whenFailed(() => givenUp.push('inside'))
  s.define('add2', (state) => {
    kept.whenFailed(() => givenUp.push('kept'))
    return (state.n += 2)
  })
  s.inner.open()
  t.deepEqual(await s.answers(), ['2 "slow"'])
  t.deepEqual(givenUp, [])
  s.ends.open()
  await s.answers()
  t.deepEqual(givenUp, ['outer', 'inside'])
  const kept = s.arrived('add2')
  s.mailbox.post(kept)
  t.deepEqual(await s.answers(), ['3 2'])
  t.deepEqual(givenUp, ['outer', 'inside'])
})

test('what a node did that another host has meanwhile is acknowledged to nobody', async (t) => {
  const s = open(failingMethods)
  const disk = heldDisk(s)
  s.call('add', [1])
  s.call('get')
  s.call('refuse')
  await settled()
  s.node.isElsewhere = true
  disk.open()
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 1)
})

test('C3: a command whose node has stopped without waiting for it is not acknowledged; a query is answered', async (t) => {
  const ends = gate()
  const s = open({
    async slow(state) {
      await ends.pass()
      state.n++
    },
    slowQuery: () => ends.pass().then(() => 'read'),
  })
  s.call('slow')
  s.state.closeAll()
  ends.open()
  const [fault] = await s.faults()
  t.is(fault!.code, 'unavailable.storage')
  t.regex(fault!.message, /^node n1 stopped before the call ended; the call left no trace on it$/)
  t.is(s.onDisk(), 0)
  s.state.open(own, s.holder)
  s.call('slowQuery')
  s.state.closeAll()
  t.deepEqual(await s.answers(), ['2 "read"'])
  s.state.open(own, s.holder)
  const disk = heldDisk(s)
  s.call('add', [1])
  s.call('slowQuery')
  s.state.closeAll()
  t.deepEqual(await s.answers(), [])
  disk.open()
  t.deepEqual(await s.answers(), ['3 1', '4 "read"'])
})

test('a call that was left behind fails because its node has stopped, whatever its object refused it after that', async (t) => {
  const stopped = new Fault('protocol.not-here', 'this object has stopped (node n1)')
  const ends = gate()
  const late = async () => {
    await ends.pass()
    throw stopped
  }
  const s = open({ slow: late, slowQuery: late })
  s.call('slow')
  s.state.closeAll()
  s.state.open(own, s.holder)
  ends.open()
  const [ofCommand] = await s.faults()
  s.call('slowQuery')
  s.state.closeAll()
  const [ofQuery] = await s.faults()
  for (const fault of [ofCommand, ofQuery]) {
    t.is(fault!.code, 'unavailable.storage')
    t.regex(fault!.message, /^node n1 stopped before the call ended/)
  }
})
