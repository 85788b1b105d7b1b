/** `check` where classes never end, do not start, or are slow; lazy records and chains. Small budgets. */
import test from 'ava'
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { check } from '../../rehearsal/criteria.js'

type Any = any

const few = { histories: 40, findingsMax: 1 }

/** An upgrade without simulation objects of its own; parts are as a mistake has them. */
function upgrade(oldClass: Any, newClass: Any, parts: Record<string, unknown> = {}) {
  const whole = { oldClass, newClass, futureSO: notNeeded, pastSO: notNeeded, transform: (old: Any) => old, schedule: eagerly() }
  return defineUpgrade({ title: 'wide', classUpgrades: [upgradeClass({ ...whole, ...parts } as never)] })
}

class TillV1 extends NodeObject<{ sum: number }, { rows: number }> {
  static override readonly className: string = 'Till.v1'
  static override initial() {
    return { sum: 0 }
  }
  @command pay(by: number): number {
    this.state.sum += by
    return this.state.sum
  }
  @command put(key: string, value: number): void {
    this.collection('rows').put(key, value)
  }
  @query row(key: string): number {
    return this.collection('rows').get(key) ?? 0
  }
  @query sum(): number {
    return this.state.sum
  }
}
class TillV2 extends TillV1 {
  static override readonly className = 'Till.v2'
}
const rows = { rows: (old: Any) => old }

test.serial('a method that never ends in any version is no mistake of an upgrade: it is said, and called no more', async (t) => {
  class Slow1 extends TillV1 {
    static override readonly className: string = 'Slow.v1'
    static override readonly service = 'slow'
    @query async hang(): Promise<number> {
      return new Promise(() => {})
    }
  }
  class Slow2 extends Slow1 {
    static override readonly className = 'Slow.v2'
  }
  const report = await check(upgrade(Slow1, Slow2, { records: rows }), few)
  t.true(report.holds, report.text)
  t.true(
    report.untried.some(({ method, why }) => method === 'hang' && why.includes('do not end')),
    report.text,
  )
})

test.serial('a simulation object whose call never ends is found, and named', async (t) => {
  const so = (futureSO as Any)({
    ...{ simulates: TillV2, over: TillV1, initial: () => ({}), delegates: ['put', 'row', 'sum'] },
    methods: { pay: () => new Promise(() => {}) },
  })
  const report = await check(upgrade(TillV1, TillV2, { futureSO: so, records: rows }), few)
  t.like(report.findings, [{ kind: 'throws', blame: { part: 'futureSO', method: 'pay' } }], report.text)
})

test.serial('a new object that does not start is to blame itself', async (t) => {
  class Broken extends TillV1 {
    static override readonly className = 'Till.v2'
    protected override start(): void {
      throw new TypeError('no start')
    }
  }
  const report = await check(upgrade(TillV1, Broken, { records: rows }), { ...few, histories: 4 })
  t.like(report.findings, [{ kind: 'throws', blame: { part: 'object', className: 'Till.v2' } }], report.text)
})

test.serial('a slow upgrade is checked for as long as it may take, and not for a whole batch', async (t) => {
  const slow = (old: Any) => {
    const untilMs = performance.now() + 100
    while (performance.now() < untilMs);
    return old
  }
  const beganMs = performance.now()
  const report = await check(upgrade(TillV1, TillV2, { transform: slow, records: rows }), { histories: 1_000, withinMs: 400 })
  t.true(report.histories < 16)
  t.true(performance.now() - beganMs < 6_000)
})

test.serial('lazy records: what is lost in one record is found', async (t) => {
  const lossy = { rows: (old: Any) => (old === 7 ? undefined : old) }
  const wrong = await check(upgrade(TillV1, TillV2, { records: lossy }), { ...few, arguments: rowsOf(7) })
  t.like(wrong.findings, [{ call: { method: 'row' } }], wrong.text)
  const right = await check(upgrade(TillV1, TillV2, { records: rows }), { ...few, arguments: rowsOf(7) })
  t.true(right.holds, right.text)
})

const rowsOf = (value: number) => ({ 'Till.v1': { put: () => ['a', value] }, 'Till.v2': { put: () => ['a', value] } })

test.serial('a chain of four: a mistake in the last one is found, and named with its number', async (t) => {
  const classes = [3, 4, 5].map(
    (n) =>
      class extends TillV1 {
        static override readonly className = `Till.v${n}`
      },
  )
  const line = [TillV1, TillV2, ...classes]
  const chain = (last: Record<string, unknown>) =>
    line.slice(1).map((next, i) => upgrade(line[i], next, { records: rows, ...(i === 3 ? last : {}) }))
  const wrong = await check(chain({ transform: () => ({ sum: 0 }) }), { ...few, histories: 80 })
  t.like(wrong.findings, [{ version: 4, kind: 'forgotten state' }], wrong.text)
  const right = await check(chain({}), { ...few, histories: 30 })
  t.true(right.holds, right.text)
})
