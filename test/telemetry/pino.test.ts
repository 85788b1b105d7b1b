/** What a host says of itself, as lines of pino. */
import 'reflect-metadata'
import test from 'ava'
import pino from 'pino'
import { Fault, type HostEvent } from '../../index.js'
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
