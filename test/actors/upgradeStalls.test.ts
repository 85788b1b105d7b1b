/**
 * DESIGN §5: what an upgrade that fails leads to, before the flip and after it: stalled, with the old object
 * serving both versions.
 */
import test from 'ava'
import { schedule, type Upgrade } from '../../index.js'
import { until } from '../support/eventually.js'
import { gate } from '../support/testSystem.js'
import { NotesV2, toV2 } from './notesClasses.js'
import { fill, oneNode, servesBoth } from './oneNode.js'
import { isSlotHolder } from './slots.js'

interface Stall {
  readonly upgrade: (ok: () => boolean) => Upgrade
  readonly reason: RegExp
}

const stalls: Record<string, Stall> = {
  'an SF that throws': {
    upgrade: (ok) =>
      toV2({
        schedule: schedule('a coin', async () => {
          if (!ok()) throw new Error('no coin')
        }),
      }),
    reason: /upgrade\.schedule: no coin/,
  },
  'an SF that throws what is not well-formed text': {
    upgrade: (ok) =>
      toV2({
        schedule: schedule('a coin', async () => {
          if (!ok()) throw new Error('half a coin \ud83d')
        }),
      }),
    reason: /upgrade\.schedule: half a coin \ufffd/,
  },
  'an SF that throws what has no text': {
    upgrade: (ok) =>
      toV2({
        schedule: schedule('a coin', async () => {
          if (!ok()) throw Object.create(null)
        }),
      }),
    reason: /upgrade\.schedule: a value was thrown that has no text/,
  },
  'a TF that throws what has no text': {
    upgrade: (ok) => toV2({ beforeTransform: () => (ok() ? undefined : Promise.reject(Object.create(null))) }),
    reason: /upgrade\.transform: a value was thrown that has no text/,
  },
  'a TF that throws more text than a reason may have': {
    upgrade: (ok) => toV2({ beforeTransform: () => (ok() ? undefined : Promise.reject(new Error('x'.repeat(2 << 20)))) }),
    reason: /^upgrade\.transform: x{1900,1999}… \(/,
  },
  'a TF that throws': {
    upgrade: (ok) => toV2({ beforeTransform: () => (ok() ? undefined : Promise.reject(new Error('no form'))) }),
    reason: /upgrade\.transform: no form/,
  },
  'a TF that takes too long': {
    upgrade: (ok) => toV2({ transformTimeout: 300, beforeTransform: () => (ok() ? undefined : new Promise(() => {})) }),
    reason: /upgrade\.transform: .*300 ms/,
  },
  'a past-SO’s initial that throws': {
    upgrade: (ok) =>
      toV2({
        pastInitial: (old) => {
          if (!ok()) throw new Error('no past')
          return { mood: old.mood }
        },
      }),
    reason: /upgrade\.transform: no past/,
  },
  'a selfCheck that throws': {
    upgrade: (ok) =>
      toV2({
        newClass: class extends NotesV2 {
          protected override selfCheck(): void {
            if (!ok()) throw new Error('not well')
          }
        },
      }),
    reason: /upgrade\.check: not well/,
  },
  'a selfCheck that takes too long': {
    upgrade: (ok) =>
      toV2({
        startTimeout: 300,
        newClass: class extends NotesV2 {
          protected override async selfCheck(): Promise<void> {
            if (!ok()) await new Promise(() => {})
          }
        },
      }),
    reason: /upgrade\.check: .*300 ms/,
  },
  'a selfCheck that sends': {
    upgrade: (ok) =>
      toV2({
        newClass: class extends NotesV2 {
          protected override async selfCheck(): Promise<void> {
            if (!ok()) this.sender(NotesV2, 'n1').add('from the check')
          }
        },
      }),
    reason: /upgrade\.check: an object sends nothing/,
  },
  'a selfCheck that calls': {
    upgrade: (ok) =>
      toV2({
        newClass: class extends NotesV2 {
          protected override async selfCheck(): Promise<void> {
            if (!ok()) await this.ref(NotesV2, 'n1').add('from the check')
          }
        },
      }),
    reason: /upgrade\.check: an object sends nothing/,
  },
  'a selfCheck that writes': {
    upgrade: (ok) =>
      toV2({
        newClass: class extends NotesV2 {
          protected override async selfCheck(): Promise<void> {
            if (!ok()) this.collection('shelf').put('k', 'from the check')
          }
        },
      }),
    reason: /upgrade\.check: .*query/,
  },
  'a start() that throws three times': {
    upgrade: (ok) =>
      toV2({
        newClass: class extends NotesV2 {
          protected override async start(): Promise<void> {
            this.state.notes.push('from a failed start')
            this.collection('shelf').put('k', 'from a failed start')
            if (!ok()) throw new Error('no start')
            this.state.notes.pop()
            this.collection('shelf').put('k', 'kept')
          }
        },
      }),
    reason: /upgrade\.start: no start/,
  },
  'a start() that takes too long': {
    upgrade: (ok) =>
      toV2({
        startTimeout: 20,
        newClass: class extends NotesV2 {
          protected override async start(): Promise<void> {
            if (!ok()) await new Promise(() => {})
          }
        },
      }),
    reason: /upgrade\.start: .*20 ms/,
  },
}

for (const [what, { upgrade, reason }] of Object.entries(stalls)) {
  test(`${what} stalls the upgrade: the old object serves both versions with all its state; retry() goes on`, async (t) => {
    const one = await oneNode(t)
    await fill(one)
    let ok = false
    const start = gate()
    const made = upgrade(() => ok)
    const { run } = made.classUpgrades[0]!.schedule
    Object.assign(made.classUpgrades[0]!.schedule, { run: (view: never) => start.pass().then(() => run(view)) })
    await one.system.publish(made)
    await one.host.untilPhase('n1', 'scheduled')
    await one.v1.star(0)
    start.open()
    const stalled = await one.host.untilPhase('n1', 'stalled')
    t.regex(stalled.reason!, reason)
    await servesBoth(t, one, ['first'])
    t.false(await isSlotHolder(one.system, 'notes', 'n1'))
    ok = true
    one.node.retry()
    await until(() => one.node.version === 1, 'the upgrade ends')
    t.deepEqual(await one.v1.all(), ['first', 'more'])
    t.is(await one.v1.stars(0), 1)
    t.is(await one.v0.mood(), 'merry')
    t.deepEqual(await one.v0.shelf(), [['k', 'kept']])
  })
}
