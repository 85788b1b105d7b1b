/** A call that leads back to its node runs inside the one that it is made for, or is refused (C2). */
import 'reflect-metadata'
import test from 'ava'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { handleReentrantCall, type ReenteredNode } from '../../actors/serving/reentrantCalls.js'
import type { Fault } from '../../core/base/fault.js'
import { changeoverId } from '../../core/wire/envelope.js'

const outerId = 'desk/1/7'
const changeover = changeoverId('n1', 1)

/** A call of the mailbox that runs now; `ended`: its code has returned. */
function outerCall(hasEnded = false): IncomingCall {
  const call: IncomingCall = Object.create(IncomingCall.prototype)
  Object.defineProperties(call, {
    entryInPaths: { value: outerId },
    running: { value: (entry: string) => (hasEnded || entry !== outerId ? undefined : call) },
  })
  return call
}

function handle(node: Partial<ReenteredNode>, path: readonly string[]) {
  const log: unknown[] = []
  const call = {
    isMadeFor: (entry: string | undefined) => entry !== undefined && path.includes(entry),
    outerAt: () => path.at(-1),
    refuse: ({ code, message }: Fault) => void log.push(`${code}: ${message}`),
    runInside: (inside: unknown) => void log.push(inside),
  }
  const whole = {
    id: 'n1',
    incarnation: 1,
    abroad: 2 ** 32,
    className: 'Notes.v1',
    isReentrant: false,
    changeover: undefined,
    turn: undefined,
    ...node,
  }
  return { isHandled: handleReentrantCall(whole, call as never), log }
}

test('a call that is made for no running one takes its turn', (t) => {
  const takesTurn = { isHandled: false, log: [] }
  for (const isReentrant of [false, true]) {
    t.deepEqual(handle({ isReentrant }, []), takesTurn)
    t.deepEqual(handle({ isReentrant, turn: outerCall() }, []), takesTurn)
  }
  t.deepEqual(handle({ turn: { isOther: true } as never }, [outerId]), takesTurn, 'a turn of the runtime runs')
  t.deepEqual(handle({ turn: outerCall() }, ['desk/1/8']), takesTurn, 'it is made for another')
  t.deepEqual(handle({ isReentrant: true, turn: outerCall() }, [changeover]), takesTurn, 'that start() has ended')
})

test('a node whose class is not re-entrant refuses a call for the one that runs, and says what to add', (t) => {
  t.deepEqual(handle({ turn: outerCall() }, [outerId]), {
    isHandled: true,
    log: [
      'protocol.call-cycle: node n1 is busy with the call that this one is made for; add "static override readonly reentrant = true" to Notes.v1 if it may run inside it',
    ],
  })
})

test('a node whose class is re-entrant runs a call inside the one that it is made for, or refuses it when that one has ended', (t) => {
  const outer = outerCall()
  t.deepEqual(handle({ isReentrant: true, turn: outer }, [outerId]), { isHandled: true, log: [outer] })
  const ended = 'protocol.call-cycle: node n1 has ended the call that this one is made for: await the calls that a method makes'
  t.deepEqual(handle({ isReentrant: true, turn: outerCall(true) }, [outerId]), { isHandled: true, log: [ended] })
  for (const turn of [undefined, { isOther: true } as never])
    t.deepEqual(handle({ isReentrant: true, turn }, [outerId]), { isHandled: true, log: [ended] })
})

test('a call for a start() or stop() that runs is refused, whatever the class', (t) => {
  const running = { path: ['desk/1/1', changeover] } as never
  for (const isReentrant of [false, true]) {
    t.deepEqual(handle({ isReentrant, changeover: running }, [changeover]), {
      isHandled: true,
      log: ['protocol.call-cycle: node n1 answers nobody before its start() or stop(), for which this call is made, has ended'],
    })
    t.false(handle({ isReentrant, changeover: running }, []).isHandled)
  }
})
