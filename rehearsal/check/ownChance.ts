/**
 * The time and chance of transform functions: each run of one has others, so that a result which depends on
 * them differs from run to run. The rest of the process is not touched.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

interface Run {
  /** Added to the time of day. */
  readonly laterMs: number
  draws: number
}

const runs = new AsyncLocalStorage<Run>()
const apartMs = 7 * 3_600_000
let began = 0
let users = 0
let giveBack: () => void = () => {}

/** Until the function that it returns is called, `Date` and `Math.random` ask which run they are in. */
export function ownChance(): () => void {
  if (users++ === 0) giveBack = replaced()
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    if (--users === 0) giveBack()
  }
}

/** Carries out a transform function as a run of its own. */
export function inRunOfItsOwn<T>(transform: () => T): T {
  began++
  return runs.run({ laterMs: began * apartMs, draws: began * 7919 }, transform)
}

function replaced(): () => void {
  const { Date: RealDate, Math: RealMath } = globalThis
  const realRandom = RealMath.random
  const nowMs = () => RealDate.now() + (runs.getStore()?.laterMs ?? 0)
  const OwnDate = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 && runs.getStore() !== undefined ? [nowMs()] : args, newTarget),
    get: (target, key) => (key === 'now' ? nowMs : Reflect.get(target, key)),
  })
  globalThis.Date = OwnDate
  RealMath.random = () => {
    const run = runs.getStore()
    if (run === undefined) return realRandom.call(RealMath)
    // Any numbers will do that differ from run to run.
    run.draws = (run.draws * 48_271 + 11) % 2_147_483_647
    return run.draws / 2_147_483_647
  }
  return () => {
    // Somebody may have replaced them since.
    if (globalThis.Date === OwnDate) globalThis.Date = RealDate
    RealMath.random = realRandom
  }
}
