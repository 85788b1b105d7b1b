/**
 * Invariants of the house (DESIGN §6) that only a fault of our own breaks: each is broken once, and noticed
 * at once. Those that take a whole node are in brokenInvariants.test.ts.
 */
import test from 'ava'
import { type AnyStateMachine, fromPromise, setup } from 'xstate'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { objectTable, type Receiver, simulationTable } from '../../core/model/methodTable.js'
import { describeClass } from '../../core/model/nodeObject.js'
import { type Link, ObjectChain } from '../../core/model/objectChain.js'
import { ending } from '../../core/upgrade/endingStatechart.js'
import { futureSO } from '../../index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { until } from '../support/eventually.js'
import { alice, mallory, signedAfter, system } from '../support/signedManifests.js'
import { gate } from '../support/testSystem.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'
import { NotesV1, NotesV2 } from './notesClasses.js'

const receiver = (): Receiver => ({ self: {}, touch() {} })

const link = (version: number, role: Link['role'], receivers: readonly Receiver[]): Link => ({
  version,
  role,
  className: `C${version}`,
  methods: { level: 0, entries: new Map() },
  receivers,
  hears: new Map(),
  tally: { calls: 0 },
})

const below = () => {
  throw new Error('nobody asks')
}

test('C5: a version whose calls lead to another object than those of the others is noticed when the chain is made', (t) => {
  const [object, other, ...sos] = [receiver(), receiver(), receiver(), receiver()] as const
  const links = (first: Receiver) => [
    link(0, 'alias', [object, sos[0]]),
    link(1, 'pastSO', [first, sos[0]]),
    link(2, 'object', [object]),
    link(3, 'futureSO', [object, sos[1]]),
  ]
  t.is(new ObjectChain(2, links(object), below, undefined).links.length, 4)
  const violated = { name: 'InvariantViolation', message: 'C5: version 1 leads to another object' }
  t.throws(() => new ObjectChain(2, links(other), below, undefined), violated)
})

test('C6: a method that an SO refuses and somebody carries out all the same is noticed when the chain is made', (t) => {
  const so = futureSO({
    simulates: NotesV2,
    over: NotesV1,
    delegates: ['all', 'add', 'put', 'shelf', 'addSlowly'],
    refuses: ['star'],
    methods: {
      stars() {
        return 0
      },
    },
  })
  const simulated = describeClass(NotesV2)
  const next = objectTable(describeClass(NotesV1))
  t.throws(() => simulationTable(so, simulated, next).entries.get('star')!.method(), { code: 'simulation.refused' })
  const faked = [
    { ...so, methods: { ...so.methods, star: () => 1 } },
    { ...so, refuses: [...so.refuses, 'add'] },
  ]
  const message = /^C6: Notes\.v2\.(star|add) is refused and carried out$/
  for (const wrong of faked) t.throws(() => simulationTable(wrong, simulated, next), { name: 'InvariantViolation', message })
})

test('C2: a turn that ends twice does not end the one that runs', async (t) => {
  const thrown: unknown[] = []
  const mailbox = new Mailbox(
    new ManualClock(),
    10,
    ownerOf((error) => void thrown.push(error)),
  )
  const log: string[] = []
  const second = gate()
  let endAgain = () => {}
  // A promise as other libraries have them: it calls back as often as they like.
  const twice = {
    // biome-ignore lint/suspicious/noThenProperty: a foreign thenable
    then(fulfilled: () => void) {
      endAgain = fulfilled
      queueMicrotask(fulfilled)
    },
  }
  mailbox.open()
  mailbox.post({ run: () => twice as unknown as Promise<void> })
  mailbox.post({ run: () => second.pass().then(() => void log.push('second ends')) })
  mailbox.post({ run: () => void log.push('third runs') })
  await until(() => second.waiting === 1, 'the second turn runs')
  endAgain()
  t.deepEqual(log, [])
  t.like(thrown, [{ name: 'InvariantViolation', message: 'C2: a turn ended that did not run any more' }])
  second.open()
  await until(() => log.length === 2, 'the third turn has run')
  t.deepEqual(log, ['second ends', 'third runs'])
})

test('C9: a manifest that another history has checked, or that follows no more, is not added', (t) => {
  const anybody = new VerifiedHistory(system, undefined, nkeySignatures)
  const own = new VerifiedHistory(system, [alice.publicKey], nkeySignatures)
  const foreign = signedAfter(undefined, mallory, { title: 'Foreign' })
  const [first, other] = ['First', 'Other'].map((title) => signedAfter(undefined, alice, { title }))
  const message = 'C9: the manifest of version 1 was not checked by this history'
  t.throws(() => own.append(anybody.check(foreign)), { name: 'InvariantViolation', message })
  t.is(own.head.version, 0)
  const both = [own.check(first!), own.check(other!)]
  own.append(both[0]!)
  t.throws(() => own.append(both[1]!), {
    name: 'InvariantViolation',
    message: 'C9: the manifest of version 1 does not follow version 1 any more',
  })
  t.deepEqual(
    own.manifests.map(({ title }) => title),
    ['First'],
  )
})

test('C10: a statechart with a state from which nothing leads on is noticed when it is made', (t) => {
  const effect = fromPromise(async () => {})
  const withState = (busy: object) =>
    setup({ actors: { work: effect }, delays: { soon: 1 }, guards: { isSo: () => true } }).createMachine({
      id: 'u',
      initial: 'busy',
      states: { busy: { initial: 'now', states: { now: busy } }, resting: {}, over: { type: 'final' } },
    } as never) as unknown as AnyStateMachine
  const [onDone, onError] = ['#u.over', '#u.resting']
  const ends = [
    { invoke: { src: 'work', onDone, onError } },
    { invoke: { src: 'work', onDone: [{ guard: 'isSo', target: '#u.resting' }, '#u.over'], onError } },
    { always: '#u.over' },
    { after: { soon: '#u.over' } },
  ]
  for (const state of ends) t.notThrows(() => ending(withState(state), ['resting']))
  const rests = [
    [{}, 'by itself'],
    [{ on: { retry: '#u.over' } }, 'by itself'],
    [{ always: { guard: 'isSo', target: '#u.over' } }, 'by itself'],
    [{ after: { soon: { guard: 'isSo', target: '#u.over' } } }, 'by itself'],
    [{ invoke: { src: 'work', onError } }, 'when work is done'],
    [{ invoke: { src: 'work', onDone } }, 'when work fails'],
    [{ invoke: { src: 'work', onDone, onError: {} } }, 'when work fails'],
    [{ invoke: { src: 'work', onDone, onError: { guard: 'isSo', target: '#u.over' } } }, 'when work fails'],
  ] as const
  for (const [state, when] of rests)
    t.throws(() => ending(withState(state), ['resting']), {
      name: 'InvariantViolation',
      message: `C10: nothing leads on from u.busy.now ${when}`,
    })
  t.throws(() => ending(withState(ends[0]!), []), { message: 'C10: nothing leads on from u.resting by itself' })
})
