/** The view of a scheduling function, whatever stands behind it. */
import test from 'ava'
import { allOf, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { schedule } from '../../core/schedules/schedule.js'
import { frozen, SourcedView, sourceOf, type ViewSource } from '../../core/schedules/schedulingView.js'

/** A source whose time goes by as it is slept. */
class Source implements ViewSource {
  readonly nodeId = 'n1'
  readonly service = 'pages'
  readonly className = 'Pages.v1'
  readonly servers = ['index']
  readonly slept: number[] = []
  readonly signals = new Set<AbortSignal>()
  nowMs = 0

  simulations() {
    return [{ version: 0, className: 'Pages.v0' }]
  }
  state(of?: number): Record<string, unknown> {
    if (of !== undefined) return { of: { version: of } }
    return { pages: { '/home': { html: 'hello' } }, bytes: new Uint8Array([1]) }
  }
  collections(of?: number) {
    return of === undefined ? ['c'] : [`c of ${of}`]
  }
  async memory(signal: AbortSignal) {
    this.signals.add(signal)
    return { open: ['a'] }
  }
  collection(_name: string, of?: number) {
    const record = () => ({ tags: ['a'], ...(of === undefined ? {} : { of }) })
    return {
      get: (key: string) => (key === 'k' ? record() : undefined),
      has: () => true,
      entries: () => [['k', record()]] as const,
    }
  }
  async nodes(_service: string | undefined, signal: AbortSignal) {
    this.signals.add(signal)
    return []
  }
  async table(_name: string, signal: AbortSignal) {
    this.signals.add(signal)
    return new Map()
  }
  contacts() {
    return []
  }
  calls() {
    return { answered: 0, failed: 0 }
  }
  now() {
    return this.nowMs
  }
  random() {
    return 0.5
  }
  async sleep(ms: number, signal: AbortSignal) {
    signal.throwIfAborted()
    this.slept.push(ms)
    this.nowMs += ms
  }
}

function viewOf(source = new Source()) {
  return new SourcedView(source, 1, new AbortController().signal)
}

test('what a scheduling function sees of the state can be read and not written, however deep', (t) => {
  const view = viewOf()
  t.throws(() => {
    ;(view.state as any).pages['/home'].html = 'changed'
  })
  t.throws(() => (view.collection('c').get('k') as any).tags.push('b'))
  for (const [, record] of view.collection('c').entries()) t.throws(() => (record as any).tags.push('b'))
  t.is(view.collection('c').get('other'), undefined)
  t.is((view.state.bytes as Uint8Array)[0], 1)
})

test('it sees the states of simulation objects, names of collections, and memory, and can write none of them', async (t) => {
  const view = viewOf()
  t.deepEqual(view.collections(), ['c'])
  const [so, ...others] = view.simulations()
  t.deepEqual(others, [])
  t.like(so!, { version: 0, className: 'Pages.v0', state: { of: { version: 0 } } })
  t.deepEqual(so!.collections(), ['c of 0'])
  t.deepEqual(so!.collection('c').get('k'), { tags: ['a'], of: 0 })
  t.throws(() => {
    ;(so!.state as any).of.version = 1
  })
  t.throws(() => (so!.collection('c').get('k') as any).tags.push('b'))
  const memory = await view.memory()
  t.deepEqual(memory, { open: ['a'] })
  t.throws(() => (memory as any).open.push('b'))
})

test('a schedule that waits looks again after half a second and up to a half more', async (t) => {
  const source = new Source()
  await viewOf(source).until(() => source.nowMs >= 1500)
  t.deepEqual(source.slept, [625, 625, 625])
})

test('a view that a schedule of schedules derives asks the same source, with its own end', async (t) => {
  const source = new Source()
  const view = viewOf(source)
  const inner = schedule('inner', async (derived) => {
    await derived.nodes()
    await derived.table('authorized')
    t.is(derived.nodeId, 'n1')
    t.notThrows(() => derived.state.pages)
    await derived.until(() => source.nowMs > 1000)
  })
  await allOf(inner).run(view)
  t.is(source.signals.size, 1)
  t.false(source.signals.has(view.signal))
})

test('a wait that is no time is refused where it is asked for', async (t) => {
  const source = new Source()
  for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, undefined as never])
    await t.throwsAsync(viewOf(source).sleep(ms), { message: /^sleep\((NaN|Infinity|undefined)\): use a number of milliseconds/ })
  t.deepEqual(source.slept, [])
})

test('a window is not missed where the time of day is set forward while it is waited for', async (t) => {
  const source = new Source()
  const minuteMs = 60_000
  const sleep = source.sleep.bind(source)
  source.sleep = async (ms, signal) => {
    await sleep(ms, signal)
    // From ten past midnight to two in the morning.
    if (source.slept.length === 1) source.nowMs += 110 * minuteMs
  }
  await within({ from: '02:00', for: '5m' }, eagerly()).run(viewOf(source))
  t.is(source.slept[0], 10 * minuteMs)
  t.true(source.nowMs <= 125 * minuteMs, `${source.nowMs / minuteMs} min`)
})

test('a view says what its upgrade is, and asks its source for the rest', async (t) => {
  const source = new Source()
  const view = viewOf(source)
  t.deepEqual(
    [view.target, view.nodeId, view.service, view.className, view.servers, view.now(), view.random()],
    [1, 'n1', 'pages', 'Pages.v1', ['index'], 0, 0.5],
  )
  t.deepEqual([view.contacts(), view.calls()], [[], { answered: 0, failed: 0 }])
  await view.sleep(5)
  t.deepEqual(source.slept, [5])
})

test('a collection is read through a view key by key, as a whole, and by whether a key is there', (t) => {
  const source = new Source()
  const keys: string[] = []
  const read = source.collection('c')
  source.collection = () => ({ ...read, has: (...found: unknown[]) => keys.push(found[0] as string) > 1 }) as never
  const records = viewOf(source).collection('c')
  t.deepEqual(records.get('k'), { tags: ['a'] })
  t.deepEqual([...records.entries()], [['k', { tags: ['a'] }]])
  t.deepEqual([records.has('a'), records.has('b'), keys], [false, true, ['a', 'b']])
})

test('something that is no view has no source', (t) => {
  for (const other of [{}, Object.create(null)])
    t.throws(() => sourceOf(other), { code: 'config.invalid', message: 'this is no view of a scheduling function' })
})

test('values that are no objects are as they are, and bytes within are left alone', (t) => {
  for (const value of [null, undefined, 7, 'text', new Uint8Array([1])]) t.is(frozen(value), value)
  const value = { bytes: new Uint8Array([1]), none: null }
  t.true(Object.isFrozen(frozen(value)))
  t.false(Object.isFrozen(value.bytes))
})
