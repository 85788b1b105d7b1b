/** Schedules made of schedules. */
import { type Duration, milliseconds } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import { rfc3339 } from '../base/instant.js'
import { runSchedule, type Schedule, type SchedulingView } from './schedule.js'
import { type ServiceLimit, strictestLimit } from './serviceLimit.js'

/** Signals when all have signalled, whatever their order. The strictest limit counts. */
export function allOf(...schedules: readonly Schedule[]): Schedule {
  return {
    describe: `allOf(${described(schedules)})`,
    run: async (view) => {
      await together(view, schedules, (all) => Promise.all(all))
    },
    limit: strictest(schedules),
    ...promised(schedules),
    ...takingAll(schedules.some(({ takesAll }) => takesAll === true)),
    awaits: awaited(schedules),
  }
}

/** Signals when the first has signalled; the others are ended. The strictest limit counts. */
export function anyOf(...schedules: readonly Schedule[]): Schedule {
  if (schedules.length === 0) throw new Fault('config.invalid', 'anyOf() without a schedule would never signal')
  return {
    describe: `anyOf(${described(schedules)})`,
    run: async (view) => {
      await together(view, schedules, (all) => Promise.race(all))
    },
    limit: strictest(schedules),
    ...promised(schedules),
    ...takingAll(schedules.every(({ takesAll }) => takesAll === true)),
  }
}

/**
 * One after the other: the next is asked once the one before has signalled. Not called `then`: a module that
 * exports that name is taken for a promise.
 */
export function andThen(...schedules: readonly Schedule[]): Schedule {
  return {
    describe: `andThen(${described(schedules)})`,
    run: async (view) => {
      for (const schedule of schedules) await runSchedule(schedule, view)
    },
    limit: strictest(schedules),
    ...promised(schedules),
    ...takingAll(schedules.some(({ takesAll }) => takesAll === true)),
    awaits: awaited(schedules),
  }
}

/**
 * Signals in a daily maintenance window only, in UTC: `within({ from: '02:00', for: '2h' }, gradually(…))`.
 * The inner schedule is asked when the window opens, ended when it closes, and asked anew in the next one.
 */
export function within(window: { readonly from: `${number}:${number}`; readonly for: Duration }, inner: Schedule): Schedule {
  const fromMs = timeOfDay(window.from)
  const forMs = milliseconds(window.for)
  if (forMs > dayMs) throw new Fault('config.invalid', `within: a window of ${window.for} is longer than a day`)
  /** How long the window is open yet; zero or less, down to `forMs - dayMs`, while it is closed. */
  const openFor = (now: number) => forMs - ((now - fromMs + dayMs) % dayMs)
  const untilClosed = async (view: SchedulingView) => {
    for (let leftMs = openFor(view.now()); leftMs > 0; leftMs = openFor(view.now())) await view.sleep(Math.min(lookMs, leftMs))
  }
  return {
    describe: `within(${window.from} UTC for ${window.for}, ${inner.describe})`,
    run: async (view) => {
      for (;;) {
        while (openFor(view.now()) <= 0) await view.sleep(Math.min(lookMs, dayMs - forMs + openFor(view.now())))
        const closing = new AbortController()
        const watch = withSignal(view, closing.signal)
        const closed = untilClosed(watch).then(() => 'closed' as const)
        try {
          if ((await Promise.race([runSchedule(inner, watch).then(() => 'signalled' as const), closed])) === 'signalled') return
        } finally {
          closed.catch(() => {})
          closing.abort(new Fault('upgrade.schedule', `the window closed at ${rfc3339(view.now())}`))
        }
      }
    },
    limit: inner.limit ?? {},
    ...promised([inner]),
    ...takingAll(inner.takesAll === true),
    awaits: inner.awaits ?? [],
  }
}

/**
 * Signals at once, but lets at most so many nodes of the service be away at a time. It rests on the service's
 * limit in the upgrade database, whose permits a dead claimer does not free (DESIGN §5), not on what nodes
 * believe of each other. `'all'` lets all nodes be away at once, whatever the limit of their hosts: nobody
 * answers calls to the service then.
 */
export function atMost(limit: number | `${number}%` | 'all'): Schedule {
  if (limit === 'all') return { describe: 'atMost(all)', run: async () => {}, takesAll: true }
  const asLimit: ServiceLimit = typeof limit === 'number' ? { nodes: limit } : { percent: Number(limit.slice(0, -1)) }
  const amount = asLimit.nodes ?? asLimit.percent ?? 0
  if (!(amount > 0)) throw new Fault('config.invalid', `atMost(${limit}): use a number of nodes or a share such as '10%'`)
  return { describe: `atMost(${limit})`, run: async () => {}, limit: asLimit }
}

const dayMs = 24 * 3_600_000
/** The time of day may be set meanwhile: a window is looked for again so often. */
const lookMs = 600_000

function timeOfDay(text: string): number {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text)
  const [hours, minutes] = [Number(match?.[1]), Number(match?.[2])]
  if (match === null || hours > 23 || minutes > 59)
    throw new Fault('config.invalid', `within: ${JSON.stringify(text)} is no time of day such as '02:00'`)
  return (hours * 60 + minutes) * 60_000
}

function described(schedules: readonly Schedule[]): string {
  return schedules.map(({ describe }) => describe).join(', ')
}

function awaited(schedules: readonly Schedule[]): readonly string[] {
  return [...new Set(schedules.flatMap(({ awaits }) => awaits ?? []))]
}

/** The promises of each hold, whichever signals first. */
function promised(schedules: readonly Schedule[]): Pick<Schedule, 'promises'> {
  const promises = schedules.flatMap((each) => each.promises ?? [])
  return promises.length === 0 ? {} : { promises }
}

/** Of several that are all needed one is enough; of several of which the first counts, all have to say so. */
function takingAll(isTaken: boolean): Pick<Schedule, 'takesAll'> {
  return isTaken ? { takesAll: true } : {}
}

function strictest(schedules: readonly Schedule[]): ServiceLimit {
  return strictestLimit(schedules.map(({ limit }) => limit ?? {}))
}

/**
 * Runs several beside each other; those that are not needed any more, or that failed beside
 * another, are ended.
 */
async function together(
  view: SchedulingView,
  schedules: readonly Schedule[],
  join: (all: Promise<void>[]) => Promise<unknown>,
): Promise<void> {
  const ending = new AbortController()
  const all = schedules.map((schedule) => runSchedule(schedule, withSignal(view, ending.signal)))
  try {
    await join(all)
  } finally {
    ending.abort(new Fault('upgrade.schedule', 'another schedule has decided'))
    for (const each of all) each.catch(() => {})
  }
}

/** The same view, ended by another signal as well. */
function withSignal(view: SchedulingView, signal: AbortSignal): SchedulingView {
  const both = AbortSignal.any([view.signal, signal])
  const sleep = (ms: number) =>
    new Promise<void>((resolve, reject) => {
      if (both.aborted) return reject(both.reason)
      const ended = () => reject(both.reason)
      both.addEventListener('abort', ended, { once: true })
      view
        .sleep(ms)
        .then(resolve, reject)
        .finally(() => both.removeEventListener('abort', ended))
    })
  return Object.create(view, { signal: { value: both }, sleep: { value: sleep } })
}
