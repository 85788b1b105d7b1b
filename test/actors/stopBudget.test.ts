/** How long a host’s stop waits, and for what (B1); and the parts that it closes. */
import test from 'ava'
import { OpenParts, type Part } from '../../actors/base/openParts.js'
import { StopBudget } from '../../actors/base/stopBudget.js'
import { ManualClock } from './manualClock.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))
const never = new Promise<string>(() => {})

/** How a wait has ended, once it has. */
function endOf(wait: Promise<unknown>): { end: string | undefined } {
  const seen: { end: string | undefined } = { end: undefined }
  wait.then(
    (value) => {
      seen.end = String(value)
    },
    (error: Error) => {
      seen.end = error.message
    },
  )
  return seen
}

for (const [leaveMs, forLeavingMs] of [
  [10_000, 9_000],
  [4_000, 3_000],
  [2_000, 1_500],
] as const) {
  test(`of ${leaveMs} ms running calls are waited for ${forLeavingMs} ms, and the rest is kept for closing`, async (t) => {
    const clock = new ManualClock()
    const budget = new StopBudget(clock, leaveMs)
    const [leaving, closing] = [endOf(budget.forLeaving(never)), endOf(budget.forClosing(never))]
    clock.advance(forLeavingMs - 1)
    await settled()
    t.deepEqual([leaving.end, closing.end, budget.isLate], [undefined, undefined, false])
    clock.advance(1)
    await settled()
    t.deepEqual([leaving.end, closing.end, budget.isLate], ['undefined', undefined, true])
    clock.advance(leaveMs - forLeavingMs - 1)
    await settled()
    t.is(closing.end, undefined)
    clock.advance(1)
    await settled()
    t.is(closing.end, 'undefined')
    // Later waits end at once.
    t.is(await budget.forLeaving(never), undefined)
    t.is(await budget.forClosing(never), undefined)
  })
}

test('work that ends in its time is waited for, and its failure is passed on', async (t) => {
  const clock = new ManualClock()
  const budget = new StopBudget(clock, 10_000)
  for (const wait of [<T>(work: Promise<T>) => budget.forLeaving(work), <T>(work: Promise<T>) => budget.forClosing(work)]) {
    t.is(await wait(Promise.resolve('done')), 'done')
    await t.throwsAsync(wait(Promise.reject(new Error('no'))), { message: 'no' })
  }
  t.false(budget.isLate)
  budget.end()
  t.is(clock.timers, 0)
})

function parts() {
  const clock = new ManualClock()
  const closed: string[] = []
  return { clock, closed, budget: new StopBudget(clock, 10_000), open: new OpenParts() }
}

const inOrder: readonly Part[] = ['discovery', 'host', 'telemetry', 'connections', 'store', 'metrics']

test('the parts of a host are closed one after the other in their order, whatever order they were opened in', async (t) => {
  const { closed, budget, open } = parts()
  for (const part of inOrder.toReversed()) {
    open.add(part, async (given) => {
      t.is(given, budget)
      closed.push(`${part} begins`)
      await settled()
      closed.push(`${part} ends`)
    })
  }
  await open.close(budget)
  t.deepEqual(
    closed,
    inOrder.flatMap((part) => [`${part} begins`, `${part} ends`]),
  )
})

test('parts that were never opened are not closed, and the others are whatever closing one of them throws', async (t) => {
  const { closed, budget, open } = parts()
  open.add('host', () => {
    throw new Error('first')
  })
  open.add('connections', async () => {
    throw new Error('second')
  })
  open.add('store', () => closed.push('store'))
  await t.throwsAsync(open.close(budget), { message: 'first' })
  t.deepEqual(closed, ['store'])
})

test('a part that never closes is waited for until the end of the budget, and the next ones are closed', async (t) => {
  const { clock, closed, budget, open } = parts()
  open.add('host', () => never)
  open.add('store', () => closed.push('store'))
  const close = endOf(open.close(budget))
  clock.advance(9_999)
  await settled()
  t.deepEqual(closed, [])
  clock.advance(1)
  await settled()
  t.deepEqual([closed, close.end], [['store'], 'undefined'])
})
