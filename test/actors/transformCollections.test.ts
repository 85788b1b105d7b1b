/**
 * Transform functions over collections that should not have to fit into memory (§6), on disk:
 * every record arrives, no transaction is larger than the bounds say, other nodes of the host
 * go on, and what fails half way leaves nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import type { TransformCollections } from '../../core/model/transform.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import {
  command,
  createHost,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  type Phase,
  pastSO,
  query,
  upgradeClass,
} from '../../index.js'
import { lmdb } from '../../transports/lmdb/index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { ClockV1 } from './notesClasses.js'

const entriesCount = 60_000
const labelsCount = 20_000
const remarksCount = 20_000
const bounds = { transformRecordsPerCommit: 500, transformBytesPerCommit: 32 * 1024, sweepKeysPerCommit: 1_000 } as const
/** Looking collects garbage, so it is not done at every commit. */
const lookEveryBytes = 4 * 1024 * 1024
const filling = 'x'.repeat(120)

interface EntryV1 {
  readonly count: number
  readonly text: string
}

interface EntryV2 {
  readonly amount: { readonly value: number; readonly unit: string }
  readonly text: string
}

/** How many records there are, and a number that says which. */
interface Digest {
  readonly records: number
  readonly sum: number
}

function digestOf<Value>(records: Iterable<readonly [string, Value]>, number: (value: Value) => number): Digest {
  let [count, sum] = [0, 0]
  for (const [key, value] of records) {
    count++
    sum = (sum + Number(key) * number(value)) % 1_000_000_007
  }
  return { records: count, sum }
}

const keyOf = (n: number) => String(n).padStart(9, '0')

class LedgerV1 extends NodeObject<{ made: number }, { entries: EntryV1; labels: string; remarks: string }> {
  static override readonly className = 'Ledger.v1'
  static override initial() {
    return { made: 0 }
  }

  @command fill(from: number, to: number): void {
    for (let n = from; n < to; n++) {
      this.state.made = n + 1
      this.collection('entries').put(keyOf(n), { count: n % 97, text: filling })
      if (n < labelsCount) this.collection('labels').put(keyOf(n), `label ${n}`)
      if (n < remarksCount) this.collection('remarks').put(keyOf(n), `remark ${n}`)
    }
  }

  @query entries(): Digest {
    return digestOf(this.collection('entries').entries(), ({ count }) => count)
  }

  @query labels(): Digest {
    return digestOf(this.collection('labels').entries(), (label) => label.length)
  }

  @query remarks(): Digest {
    return digestOf(this.collection('remarks').entries(), (remark) => remark.length)
  }
}

/**
 * Entries have units, and remarks are forgotten: the independent state of version 0, which its past-SO keeps.
 */
class LedgerV2 extends NodeObject<{ made: number }, { entries: EntryV2; labels: string }> {
  static override readonly className = 'Ledger.v2'
  static override initial() {
    return { made: 0 }
  }

  @query entries(): Digest {
    return digestOf(this.collection('entries').entries(), ({ amount }) => amount.value)
  }

  @query labels(): Digest {
    return digestOf(this.collection('labels').entries(), (label) => label.length)
  }
}

async function rewritten(collections: TransformCollections, each: () => void = () => {}): Promise<void> {
  for (const [key, { count, text }] of collections.old('entries').entries() as Iterable<[string, EntryV1]>) {
    each()
    collections.next('entries').put(key, { amount: { value: count, unit: 'piece' }, text })
    await collections.flushed()
  }
}

function unitsUpgrade(each: () => void = () => {}, newClass: typeof LedgerV2 = LedgerV2) {
  return defineUpgrade({
    title: 'Entries have units',
    classUpgrades: [
      upgradeClass({
        oldClass: LedgerV1,
        newClass,
        futureSO: futureSO({ simulates: newClass, over: LedgerV1, delegates: ['entries', 'labels'], methods: {} }),
        pastSO: pastSO({
          simulates: LedgerV1,
          over: newClass,
          initial: async (old, collections): Promise<{ made: number }> => {
            for (const [key, remark] of collections.old('remarks').entries()) {
              collections.own('remarks').put(key, remark)
              await collections.flushed()
            }
            return { made: old.made }
          },
          delegates: ['entries', 'labels'],
          refuses: ['fill'],
          methods: {
            remarks() {
              return digestOf(this.collection('remarks').entries(), (remark: string) => remark.length)
            },
          },
        }),
        transform: async (old, _future, collections) => {
          await collections.carry('labels')
          await rewritten(collections, each)
          return { made: old.made }
        },
        schedule: eagerly(),
      }),
    ],
  })
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The data that the process holds and could not give back. */
function heldBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** A store that shows each commit, and what the process holds then. */
interface Observed {
  store: StateStore
  onCommit: (writes: readonly Write[]) => void
  open(): Promise<StateStore>
}

function observed(directory: string): Observed {
  const self: Observed = {
    store: undefined!,
    onCommit: () => {},
    open: async () => {
      const store = await lmdb(directory).open()
      self.store = store
      return {
        directoryId: store.directoryId,
        durability: store.durability,
        get: (key) => store.get(key),
        range: (from, to, limit) => store.range(from, to, limit),
        commit: (writes) => {
          self.onCommit(writes)
          return store.commit(writes)
        },
        close: () => store.close(),
      }
    },
  }
  return self
}

async function bigNode(t: ExecutionContext, entries: number) {
  const directory = mkdtempSync(join(tmpdir(), 'theseus-big-'))
  const system = await TestSystem.start(t)
  // The store is real: while this timer keeps the process, the time of the system is real as well.
  const isReal = setInterval(() => {}, 1_000)
  const state = observed(join(directory, 'state'))
  const phases: Phase[] = []
  const host = await createHost({
    ...system.ways(),
    hostId: 'h1',
    state,
    bundles: system.repository,
    settings: bounds,
    observe: (event) => {
      if (event.type === 'phase' && event.nodeId === 'big') phases.push(event.phase)
    },
  })
  t.teardown(async () => {
    await host.stop()
    clearInterval(isReal)
    rmSync(directory, { recursive: true, force: true })
  })
  const big = await host.node(LedgerV1, 'big')
  await host.node(ClockV1, 'small')
  const v0 = system.desk.ref(LedgerV1, 'big', { version: 0, deadline: '60s' })
  const v1 = system.desk.ref(LedgerV2, 'big', { version: 1, deadline: '60s' })
  for (let n = 0; n < entries; n += 5_000) await v0.fill(n, Math.min(n + 5_000, entries))
  const small = system.desk.ref(ClockV1, 'small', { version: 0 })
  return { system, host, state, phases, big, small, v0, v1 }
}

/** Records of the generation that the upgrade makes. */
const isNew = (key: string) => key.startsWith('s/big/1.')
const newRecords = (store: StateStore) => [...store.range('s/big/', 's/big0')].filter(([key]) => isNew(key)).length

test('60,000 records are rewritten, carried over and given to a past-SO, in transactions within the bounds', async (t) => {
  const { system, state, phases, big, small, v0, v1 } = await bigNode(t, entriesCount)
  const before = { entries: await v0.entries(), labels: await v0.labels(), remarks: await v0.remarks() }
  t.is(before.entries.records, entriesCount)
  let [recordsMost, bytesMost, bytesAll, lookedAt, heldMost] = [0, 0, 0, 0, 0]
  const heldBefore = heldBytes()
  state.onCommit = (writes) => {
    const written = writes.filter(([key]) => isNew(key))
    if (written.length === 0) return
    const bytes = written.reduce((sum, [, value]) => sum + (value?.length ?? 0), 0)
    recordsMost = Math.max(recordsMost, written.length)
    bytesMost = Math.max(bytesMost, bytes)
    bytesAll += bytes
    if (bytesAll < lookedAt + lookEveryBytes) return
    lookedAt = bytesAll
    heldMost = Math.max(heldMost, heldBytes() - heldBefore)
  }

  let ticks = 0
  const ticking = (async () => {
    await until(() => phases.includes('transforming'), 'the transform runs')
    while (phases.at(-1) === 'transforming') {
      await small.tick()
      ticks++
    }
  })()
  await system.publish(unitsUpgrade())
  await big.reached(1)
  await ticking

  t.deepEqual(await v1.entries(), before.entries)
  t.deepEqual(await v1.labels(), before.labels)
  t.deepEqual([await v0.entries(), await v0.labels(), await v0.remarks()], [before.entries, before.labels, before.remarks])
  t.true(recordsMost <= bounds.transformRecordsPerCommit, `${recordsMost} records in one transaction`)
  const recordBytesMax = 2 * filling.length
  t.true(bytesMost < bounds.transformBytesPerCommit + recordBytesMax, `${bytesMost} bytes in one transaction`)
  t.true(heldMost < bytesAll / 2, `${heldMost} bytes were held, of ${bytesAll} written`)
  t.true(ticks > entriesCount / 1_000, `the other node answered ${ticks} calls during the transform`)
})

test('a transform over a collection that fails half way leaves nothing of the new generation, and the old one whole', async (t) => {
  const count = 10_000
  const { system, state, phases, big, v0, v1 } = await bigNode(t, count)
  const before = await v0.entries()
  let left = count / 2
  let atFailure = 0
  const upgrade = unitsUpgrade(() => {
    if (left-- > 0) return
    atFailure = newRecords(state.store)
    throw new Error('an entry without a count')
  })

  await system.publish(upgrade)
  await until(() => phases.includes('stalled'), 'the upgrade is stalled')

  t.true(atFailure >= count / 4, `${atFailure} records of the new generation were on disk when it failed`)
  await until(() => newRecords(state.store) === 0, 'the new generation is swept')
  t.is(big.version, 0)
  t.deepEqual([await v0.entries(), await v1.entries()], [before, before])
})

test('an upgrade that is flipped back leaves nothing of the new generation, and the old one whole', async (t) => {
  const { system, state, phases, big, v0, v1 } = await bigNode(t, 2_000)
  const before = await v0.entries()
  let atStart = 0
  class Unstartable extends LedgerV2 {
    protected override start(): void {
      atStart = newRecords(state.store)
      throw new Error('not today')
    }
  }

  await system.publish(unitsUpgrade(undefined, Unstartable))
  await until(() => phases.includes('stalled'), 'the upgrade is stalled')

  t.true(atStart > 6_000, `${atStart} records of the new generation were there when start() failed`)
  await until(() => newRecords(state.store) === 0, 'the new generation is swept')
  t.is(big.version, 0)
  t.deepEqual([await v0.entries(), await v1.entries()], [before, before])
})
