/** `check` with real traffic, real state, and arguments that schemas accept. Budgets are small on purpose. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, type StandardSchema, upgradeClass } from 'theseus-actors'
import { readCopiedNodes, readRecordedCalls } from 'theseus-actors/build'
import { fileFormats } from 'theseus-actors/operator'
import { keys } from '../../core/model/nodeRecord.js'
import { pack } from '../../core/wire/codec.js'
import { encodeRecordedCalls, type RecordedCall } from '../../natsctl/record/recordedCalls.js'
import { CopyWriter } from '../../natsctl/state/copyFile.js'
import { check } from '../../rehearsal/criteria.js'

class BooksV1 extends NodeObject<{ owner: string }, { loans: { days: number } }> {
  static override readonly className: string = 'Books.v1'
  static override initial() {
    return { owner: 'nobody' }
  }
  @command lend(title: string, days: number): void {
    this.collection('loans').put(title, { days })
  }
  @query days(title: string): number {
    return this.collection('loans').get(title)?.days ?? 0
  }
  @query owner(): string {
    return this.state.owner
  }
}
class BooksV2 extends BooksV1 {
  static override readonly className = 'Books.v2'
}

type Old = { owner: string }

/** @param owner what the transform makes of it */
function books(owner: (old: Old) => string) {
  return defineUpgrade({
    title: 'Books',
    classUpgrades: [
      upgradeClass({
        ...{ oldClass: BooksV1 as never, newClass: BooksV2 as never, futureSO: notNeeded as never, pastSO: notNeeded as never },
        transform: ((old: Old) => ({ owner: owner(old) })) as never,
        records: { loans: (old: unknown) => old } as never,
        schedule: eagerly(),
      }),
    ],
  })
}

const right = books(({ owner }) => owner)
/** Nobody but a node of production has an owner. */
const shouting = books(({ owner }) => (owner === 'nobody' ? owner : owner.toUpperCase()))
const few = { histories: 40, findingsMax: 1 }

const lent = (title: string, more: Partial<RecordedCall> = {}): RecordedCall => ({
  ...{ node: 'shelf-7', number: 1, at: 1_780_000_000_000, host: 'h1', service: 'books', version: 3, className: 'Books.v1' },
  ...{ method: 'lend', args: [title, 30], end: { is: 'answer', value: undefined } },
  ...more,
})

function newFile(t: ExecutionContext, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'theseus-check-real-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return join(directory, name)
}

test.serial('a mistake that only a state of production shows is found with that state, and not without it', async (t) => {
  t.true((await check(shouting, few)).holds)
  const state = [
    {
      nodeId: 'shelf-7',
      className: 'Books.v1',
      state: { owner: 'ada' },
      collections: { loans: [['Emma', { days: 3 }]] as const },
    },
  ]
  const report = await check(shouting, { ...few, state })
  t.like(report.findings, [{ early: { value: 'ada' }, late: { value: 'ADA' } }], report.text)
  t.is(report.findings[0]!.transcript[0], 'it has the state of shelf-7')
  t.like(report.real, { calls: 0, states: 1 })
  const kept = await check(right, { ...few, state })
  t.true(kept.holds, kept.text)
})

test.serial('a copy of state gives its nodes, and says which it leaves out', async (t) => {
  const file = newFile(t, 'h1.copy')
  const record = (nodeId: string, className: string, lazy = {}) =>
    pack({
      ...{ format: 2, nodeId, service: 'books', facts: {}, incarnation: 1, oldest: 3, newest: 3, previous: null, upgrade: null },
      generation: { number: 4, version: 3, className, object: '4.3', simulations: { 2: '4.2' }, lazy },
    })
  const lazy = { '4.3': { upgrade: 3, role: 'object', undoes: false, old: '3.2', beside: null, next: { loans: '' }, passed: 0 } }
  const copy = await CopyWriter.begin(file, { takenAt: 1, of: { kind: 'directory', directoryId: 'd1' } }, true)
  await copy.append({ kind: 'part', part: 0 })
  await copy.append({
    kind: 'writes',
    writes: [
      [keys.record('shelf-7'), record('shelf-7', 'Books.v1')],
      [keys.root('shelf-7', '4.3'), pack({ owner: 'ada' })],
      [keys.root('shelf-7', '4.2'), pack({ owner: 'a simulation object’s' })],
      [`${keys.collection('shelf-7', '4.3', 'loans')}Emma/2`, pack({ days: 3 })],
      [`${keys.collection('shelf-7', '4.3', 'loans')}gone`, pack({ days: 3 })],
      [`${keys.collection('shelf-7', '4.3', 'loans')}gone`, null],
      [keys.record('old'), record('old', 'Books.v0')],
      [keys.record('half'), record('half', 'Books.v1', lazy)],
    ],
  })
  await copy.append({ kind: 'whole', number: 0 })
  await copy.finish()
  const { nodes, left } = await readCopiedNodes(file, new Set(['Books.v1']))
  t.deepEqual(JSON.parse(JSON.stringify(nodes)), [
    { nodeId: 'shelf-7', className: 'Books.v1', state: { owner: 'ada' }, collections: { loans: [['Emma/2', { days: 3 }]] } },
  ])
  t.deepEqual(left, { 'of class Books.v0': 1, 'with records that are still to be made': 1 })
  const report = await check(shouting, { ...few, state: file })
  t.false(report.holds)
  t.regex(report.text, /^with 0 recorded calls, and the states of 1 nodes; left out: 1 of class Books\.v0, 1 with records/m)
})

test.serial('real calls are made in the order that their node had them in, with their arguments', async (t) => {
  const forgetful = defineUpgrade({
    title: 'Books',
    classUpgrades: [
      upgradeClass({
        ...{ oldClass: BooksV1 as never, newClass: BooksV2 as never, futureSO: notNeeded as never, pastSO: notNeeded as never },
        // The title stands in no code, and no chance makes it.
        ...{ transform: ((old: Old) => old) as never, schedule: eagerly() },
        records: { loans: (old: { days: number } | undefined) => (old?.days === 1234 ? undefined : old) } as never,
      }),
    ],
  })
  const calls = [lent('Emma'), lent('Dracula', { number: 2, args: ['Dracula', 1234] })]
  const report = await check(forgetful, { ...few, histories: 60, with: calls })
  t.false(report.holds)
  t.true(report.text.includes('lend("Dracula", 1234) at version 0'), report.text)
  t.like(report.real, { calls: 2, states: 0 })
})

test.serial('traffic and states of other classes are refused: a check without them would mislead', async (t) => {
  await t.throwsAsync(check(right, { ...few, with: [lent('Emma', { className: 'Shelf.v9' })] }), {
    message: /they are to Shelf\.v9/,
  })
  const state = [{ nodeId: 's', className: 'Shelf.v9', state: {}, collections: {} }]
  await t.throwsAsync(check(right, { ...few, state }), { message: /it has s of Shelf\.v9/ })
})

test.serial('recorded calls come out of their file as they went in, whatever their values are', async (t) => {
  const file = newFile(t, 'recorded.calls')
  const odd = {
    $bytes: 1,
    a: [undefined, -0, Number.NaN, Number.POSITIVE_INFINITY, new Uint8Array([0, 255]), new Date(5), { $x: null }],
  }
  const recorded = {
    ...{ system: 'shop', takenAt: 1_780_000_000_000, masked: ['email'], lost: 2 },
    calls: [
      lent('Ω\n', { args: [odd, 'x'], end: { is: 'answer', value: odd } }),
      lent('b', { end: { is: 'fault', code: 'application.error' } }),
      lent('c', { end: { is: 'untold' } }),
    ],
  } as const
  const bytes = encodeRecordedCalls(recorded)
  writeFileSync(file, bytes)
  t.deepEqual(await readRecordedCalls(file), recorded as never)
  t.is(JSON.parse(Buffer.from(bytes).toString().split('\n')[0]!).format, fileFormats.recordedCalls.newest)

  const lines = Buffer.from(bytes).toString().split('\n')
  for (const [text, message] of [
    [lines.slice(0, 3).join('\n'), /cut off/],
    [lines.join('\n').slice(0, 300), /is not JSON/],
    [lines.with(0, '{"format":99}').join('\n'), /its format is not 1/],
    [lines.with(1, '{"node":7}').join('\n'), /line 2 is no call/],
    ['', /its format is not 1/],
  ] as const) {
    writeFileSync(file, text)
    await t.throwsAsync(readRecordedCalls(file), { code: 'config.invalid', message } as never)
  }
})

/** As a library would: it knows what an address is, and a check without a schema does not. */
const address = (jsonSchema?: object): StandardSchema => ({
  '~standard': {
    ...{ version: 1, vendor: 'test' },
    validate: async (value) =>
      typeof value === 'string' && /^\w+@[\w.]+$/.test(value) ? {} : { issues: [{ message: 'no address' }] },
    ...(jsonSchema === undefined ? {} : { jsonSchema: { input: () => jsonSchema as never } }),
  },
})
const entry: StandardSchema = {
  '~standard': {
    ...{ version: 1, vendor: 'test' },
    validate: (value) => {
      const { mail, age } = (value ?? {}) as { mail?: unknown; age?: unknown }
      const issues = []
      if (typeof mail !== 'string' || !mail.includes('@')) issues.push({ message: 'mail', path: ['mail'] })
      if (typeof age !== 'number' || age < 18) issues.push({ message: 'age', path: [{ key: 'age' }] })
      return { issues: issues.length > 0 ? issues : undefined }
    },
  },
}
const nothing: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{}] }) } }

class ListV1 extends NodeObject<{ all: Record<string, number> }> {
  static override readonly className: string = 'List.v1'
  static override readonly accepts = { add: [entry], age: [address({ type: 'string', format: 'email' })], drop: [nothing] }
  static override initial() {
    return { all: {} as Record<string, number> }
  }
  @command add(person: { mail: string; age: number }): void {
    this.state.all[person.mail] = person.age
  }
  @command drop(_mail: string): void {
    throw new TypeError('never called')
  }
  @query age(mail: string): number {
    return this.state.all[mail] ?? 0
  }
}
class ListV2 extends ListV1 {
  static override readonly className = 'List.v2'
}

test.serial('arguments are those that the schemas of a class accept, of whichever library', async (t) => {
  const upgrade = defineUpgrade({
    title: 'List',
    classUpgrades: [
      upgradeClass({
        ...{ oldClass: ListV1 as never, newClass: ListV2 as never, futureSO: notNeeded as never, pastSO: notNeeded as never },
        // Wrong for a call that its schema accepts, and for no other.
        transform: ((old: { all: Record<string, number> }) => ({
          all: Object.fromEntries(Object.entries(old.all).filter(([mail, age]) => !(mail.includes('@') && age >= 18))),
        })) as never,
        schedule: eagerly(),
      }),
    ],
  })
  const report = await check(upgrade, { ...few, histories: 60 })
  t.like(report.findings, [{ kind: 'forgotten state', call: { method: 'age' } }], report.text)
  t.true(report.untried.some(({ method, why }) => method === 'drop' && why.includes('schema accepts')))
})
