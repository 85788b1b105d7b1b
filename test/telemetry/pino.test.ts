/** The reports of a host about itself, as lines of pino. */
import 'reflect-metadata'
import test from 'ava'
import pino from 'pino'
import { Fault, type HostEvent } from '../../index.js'
import { DeadLetters, deadLetterKindsMax } from '../../telemetry/deadLetters.js'
import { pinoObserver } from '../../telemetry/pinoObserver.js'

function linesOf(events: readonly HostEvent[]): readonly Record<string, unknown>[] {
  const lines: string[] = []
  const logger = pino({ level: 'trace', base: { host: 'h1' } }, { write: (line: string) => lines.push(line) })
  const observe = pinoObserver(logger)
  for (const event of events) observe(event)
  return lines.map((line) => {
    const { time, ...rest } = JSON.parse(line) as Record<string, unknown>
    return rest
  })
}

const phase = {
  type: 'phase',
  nodeId: 'p1',
  service: 'pages',
  className: 'Pages.v1',
  version: 0,
  target: 1,
  reason: null,
} as const
const [debug, info, warn, error] = [20, 30, 40, 50]

test('an upgrade is told phase by phase, with who, from where and to where', (t) => {
  t.deepEqual(linesOf([{ ...phase, phase: 'draining' }]), [
    {
      level: info,
      host: 'h1',
      event: 'phase',
      node: 'p1',
      service: 'pages',
      class: 'Pages.v1',
      version: 0,
      phase: 'draining',
      target: 1,
      msg: 'p1 is draining, on its way to version 1',
    },
  ])
  t.deepEqual(
    linesOf([{ ...phase, phase: 'current', version: 1, target: null }]).map(({ msg }) => msg),
    ['p1 is current, at version 1'],
  )
})

test('the level says what somebody should do about it', (t) => {
  const fault = new Fault('protocol.bad-envelope', 'no array')
  const levels = linesOf([
    { ...phase, phase: 'fetching' },
    { ...phase, phase: 'scheduled' },
    { ...phase, phase: 'stalled', reason: 'no room' },
    { ...phase, phase: 'rejected', reason: 'bad digest' },
    { type: 'flipped', nodeId: 'p1', version: 1, className: 'Pages.v2' },
    { type: 'learned', version: 1 },
    { type: 'transport', status: 'disconnected' },
    { type: 'transport', status: 'connected' },
    { type: 'deadLetter', subject: 'theseus.s.node.p1', fault },
    { type: 'nodeFailed', nodeId: 'p1', error: new Error('broken') },
    { type: 'warning', message: 'the upgrade database does not answer; trying again', error: new Error('ECONNREFUSED') },
  ]).map(({ level }) => level)
  t.deepEqual(levels, [debug, info, error, error, info, info, error, info, warn, error, warn])
})

test('reasons are in the message, errors in the field that pino serializes', (t) => {
  const [stalled, failed, letter] = linesOf([
    { ...phase, phase: 'stalled', reason: 'upgrade.transform: no room' },
    { type: 'nodeFailed', nodeId: 'p1', error: new Error('broken') },
    { type: 'deadLetter', subject: 'theseus.s.node.p1', fault: new Fault('protocol.bad-envelope', 'no array') },
  ])
  t.is(stalled!.msg, 'p1 is stalled, on its way to version 1: upgrade.transform: no room')
  t.is(stalled!.reason, 'upgrade.transform: no room')
  t.like(failed!.err as object, { type: 'Error', message: 'broken' })
  t.is(letter!.code, 'protocol.bad-envelope')
})

test('the line of a message that nobody carried out says who sent what to whom, and why', (t) => {
  const caller = { name: null, node: 'c1', service: null, className: null, version: 0 } as never
  const letter = { kind: 'send', nodeId: 'p1', method: 'put', caller, label: 2 } as const
  const fault = new Fault('unavailable.upgrading', 'p1 could not answer version 2 in time')
  const [line] = linesOf([{ type: 'deadLetter', subject: 'theseus.s.node.p1', fault, letter }])
  t.is(line!.msg, 'send put of c1 was not carried out by p1: p1 could not answer version 2 in time')
  t.like(line!, { level: warn, node: 'p1', kind: 'send', method: 'put', label: 2, code: 'unavailable.upgrading' })
})

test('no line is longer than it helps, whatever others have sent', (t) => {
  const long = 'x'.repeat(700_000)
  const fault = new Fault('protocol.bad-arguments', `arguments[0].${long} is a bigint`, { path: long, at: 3 })
  const events: readonly HostEvent[] = [
    { type: 'deadLetter', subject: 'theseus.s.node.p1', fault },
    {
      type: 'deadLetter',
      subject: `theseus.s.node.${long}`,
      fault: new Fault('protocol.format', 'other', { deep: { deeper: { deepest: [long] } } }),
    },
    { type: 'nodeFailed', nodeId: 'p1', error: new Error(long, { cause: new Error(long) }) },
    { type: 'nodeFailed', nodeId: 'p1', error: long },
    {
      type: 'nodeFailed',
      nodeId: 'p1',
      error: Object.assign(new Error('short'), { [long]: 1, list: Array.from({ length: 1e5 }, () => 'x') }),
    },
    { type: 'warning', message: long, error: fault },
    { ...phase, phase: 'stalled', reason: long },
    {
      type: 'denied',
      nodeId: 'p1',
      caller: { name: null, node: long, service: null, className: null, version: 0 } as never,
      method: long,
      label: 0,
      fault,
      count: 1,
    },
  ]
  const lines = linesOf(events)
  t.is(lines.length, events.length)
  for (const line of lines) t.true(JSON.stringify(line).length < 16_000, `${line.event}: ${JSON.stringify(line).length}`)
  t.like(lines[0]!.err as object, { type: 'Fault', code: 'protocol.bad-arguments', at: undefined })
  t.regex((lines[0]!.err as { message: string }).message, /^arguments\[0\]\.x+… \(\d+ characters\)$/)
  // A short error is as it was, with its stack.
  const [short] = linesOf([{ type: 'nodeFailed', nodeId: 'p1', error: new Fault('config.invalid', 'no such port', { port: 7 }) }])
  t.like(short!.err as object, { message: 'no such port', details: { port: 7 }, code: 'config.invalid' })
  t.regex((short!.err as { stack: string }).stack, /^Fault: no such port\n +at /)
})

test('dead letters of one kind are told at once and then together; of many kinds not more are told apart than can be kept', (t) => {
  const told: [string, number][] = []
  let tick = () => {}
  const letters = new DeadLetters(
    ({ subject }, count) => told.push([subject, count]),
    (_, then) => {
      tick = then
    },
  )
  const fault = new Fault('protocol.bad-envelope', 'no array')
  const send = (subject: string) => letters.tell({ type: 'deadLetter', subject, fault })
  for (let i = 0; i < 20_000; i++) send('a')
  letters.tell({ type: 'deadLetter', subject: 'a', fault: new Fault('protocol.format', 'other') })
  t.deepEqual(told, [
    ['a', 1],
    ['a', 1],
  ])
  tick()
  t.deepEqual(told.slice(2), [['a', 19_999]])
  // Silence, then another.
  send('a')
  t.is(told.length, 4)
  tick()
  t.is(told.length, 4)
  for (let i = 0; i < 10_000; i++) send(`b${i}`)
  t.is(told.length, 4 + deadLetterKindsMax + 1)
  tick()
  t.deepEqual(told.slice(4 + deadLetterKindsMax + 1), [['b9999', 10_000 - deadLetterKindsMax - 1]])
})
