/**
 * One who looks, and others who speak in hosts' names: what is remembered of them is bounded, and the
 * question stays one that hosts answer.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import {
  hostsHeardMax,
  type InspectionBatch,
  InspectionClient,
  inspectionLeaseMs,
  phasesOfAllMax,
  phasesRememberedMax,
} from '../../actors/inspection/inspectionClient.js'
import { readInspectionRequest, seenMethod } from '../../core/inspection/inspection.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { question } from '../support/askServer.js'
import { ManualClock } from '../support/manualClock.js'

async function looking(t: ExecutionContext) {
  const clock = new ManualClock(0)
  const asked: unknown[] = []
  const heard: InspectionBatch[] = []
  let receive: (message: Message) => void = () => {}
  const transport = {
    subscribe: (_: string, listener: (message: Message) => void) => {
      receive = listener
      return { unsubscribe() {}, drain: async () => {} }
    },
    publish: (_: string, payload: Uint8Array) => void asked.push((decode(payload)[0] as CallEnvelope).args[0]),
  } as unknown as Transport
  const settings = { ...defaultSettings, system: 'test', hostId: 'tower' }
  t.teardown(new InspectionClient(transport, clock, systemRandom, settings).start((batch) => void heard.push(batch)))
  const tell = (hostId: string, number: number, phases: readonly number[], epoch = 1) => {
    const seen = phases.map((n) => ({ type: 'phase', at: 1, n, nodeId: 'n1', phase: 'current', target: null, reason: null }))
    const args = [{ hostId, epoch, number, dropped: 0, seen }]
    const payload = encodeCall({ ...question, kind: kinds.send, method: seenMethod, args })
    receive({ subject: 'x', payload, replyTo: undefined } as unknown as Message)
    return heard.at(-1)!
  }
  const fresh = (hostId: string, number: number, phases: readonly number[]) =>
    tell(hostId, number, phases).seen.flatMap((one) => (one.type === 'phase' ? [one.n] : []))
  return { clock, asked, heard, tell, fresh }
}

test('of many names that speak, the one that was silent the longest is forgotten, and those that go on speaking are not', async (t) => {
  const { tell, fresh } = await looking(t)
  t.deepEqual(fresh('silent', 1, [1, 2]), [1, 2])
  t.deepEqual(fresh('h1', 1, [1, 2]), [1, 2])
  for (let n = 0; n < hostsHeardMax - 2; n++) tell(`forged-${n}`, 1, [])
  t.deepEqual(fresh('h1', 2, [1, 2, 3]), [3])
  t.deepEqual(fresh('silent', 2, [1, 2]), [], 'so many are remembered')
  for (let n = 0; n < hostsHeardMax; n++) {
    tell(`another-${n}`, 1, [])
    if (n % 1_000 === 0) tell('h1', 3 + n / 1_000, [])
  }
  t.deepEqual(fresh('h1', 99, [1, 2, 3, 4]), [4])
  t.deepEqual(fresh('silent', 3, [1, 2]), [1, 2])
})

test('phases are remembered up to a bound of one host, and of all', async (t) => {
  const { fresh } = await looking(t)
  const perMessage = 10_000
  const tellAll = (hostId: string) => {
    for (let from = 0; from < phasesRememberedMax; from += perMessage)
      fresh(
        hostId,
        0,
        Array.from({ length: perMessage }, (_, i) => from + i),
      )
  }
  tellAll('h1')
  t.deepEqual(fresh('h1', 2, [0, 1]), [])
  fresh('h1', 3, [phasesRememberedMax])
  t.deepEqual(fresh('h1', 4, [0, 2]), [0])
  for (let n = 0; n < phasesOfAllMax / phasesRememberedMax; n++) tellAll(`forged-${n}`)
  t.deepEqual(fresh('h1', 5, [7]), [7])
})

test('a question names no more hosts that are to tell anew than hosts answer', async (t) => {
  const { clock, asked, tell, heard } = await looking(t)
  for (let n = 0; n < 3_000; n++) {
    tell(`forged-${n}`, 1, [])
    tell(`forged-${n}`, 9, [])
  }
  t.true(heard.filter(({ lostMessages }) => lostMessages === 7).length === 3_000)
  await clock.runUntil(inspectionLeaseMs)
  t.true(asked.length >= 3)
  for (const request of asked) t.not(readInspectionRequest(request), undefined)
  t.true(asked.some((request) => readInspectionRequest(request)!.afresh.length > 0))
})
