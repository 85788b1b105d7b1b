/** How calls are made: so many in flight, for so long. Every loop here ends by the clock. */

export interface Load {
  readonly name: string
  readonly inFlight: number
  /**
   * Without it a call starts as soon as one has ended: calls then fall into lock-step, all answers of one
   * message starting the calls of the next, which flatters whoever sends several in one message. With it at
   * most so many start in one turn of the event loop.
   */
  readonly newPerTurnMax?: number
  /** Each call stands for so many sends, which come before it. */
  readonly sendsBefore?: number
  /** The answers are records of 1 KB; without it a short string. */
  readonly payload?: 'record'
}

const one: Load = { name: '1', inFlight: 1 }
const closed: readonly Load[] = [
  { name: '64', inFlight: 64 },
  { name: '256', inFlight: 256 },
]
const paced: Load = { name: '256 paced', inFlight: 256, newPerTurnMax: 16 }
const records: Load = { name: '256, 1 KB', inFlight: 256, payload: 'record' }
/**
 * One-way sends of one turn, and then a call that shows that they have arrived: else a sender
 * would outrun who hears it.
 */
const sends: Load = { name: 'sends', inFlight: 1, sendsBefore: 255 }

export const loads = { one, closed, paced, records, sends } as const

export interface Driven {
  /** And sends. */
  readonly calls: number
  readonly tookMs: number
  /**
   * Of each call in order, where only one is in flight: with more, latency is the queue's
   * length and says nothing new.
   */
  readonly latenciesMs: readonly number[]
}

export async function drive(call: (n: number) => Promise<unknown>, load: Load, durationMs: number): Promise<Driven> {
  const start = performance.now()
  const end = start + durationMs
  const latenciesMs: number[] = []
  const calls =
    load.inFlight === 1
      ? await oneByOne(call, end, latenciesMs)
      : load.newPerTurnMax === undefined
        ? await inLoops(call, load.inFlight, end)
        : await inTurns(call, load.inFlight, load.newPerTurnMax, end)
  const { sendsBefore } = load
  const tookMs = performance.now() - start
  return sendsBefore === undefined
    ? { calls, tookMs, latenciesMs }
    : { calls: calls * (sendsBefore + 1), tookMs, latenciesMs: [] }
}

async function oneByOne(call: (n: number) => Promise<unknown>, end: number, latenciesMs: number[]): Promise<number> {
  let calls = 0
  for (let before = performance.now(); before < end; ) {
    await call(calls++)
    const after = performance.now()
    latenciesMs.push(after - before)
    before = after
  }
  return calls
}

async function inLoops(call: (n: number) => Promise<unknown>, inFlight: number, end: number): Promise<number> {
  let calls = 0
  const loop = async (): Promise<void> => {
    while (performance.now() < end) await call(calls++)
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  return calls
}

function inTurns(
  call: (n: number) => Promise<unknown>,
  inFlightMax: number,
  newPerTurnMax: number,
  end: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let calls = 0
    let inFlight = 0
    let isScheduled = false
    const turn = (): void => {
      isScheduled = false
      if (performance.now() >= end) {
        if (inFlight === 0) resolve(calls)
        return
      }
      for (let started = 0; started < newPerTurnMax && inFlight < inFlightMax; started++) {
        inFlight++
        call(calls++).then(answered, reject)
      }
      if (inFlight < inFlightMax) schedule()
    }
    const answered = (): void => {
      inFlight--
      schedule()
    }
    // Only when there is room: a turn that finds none would keep the loop from sleeping.
    const schedule = (): void => {
      if (isScheduled) return
      isScheduled = true
      setImmediate(turn)
    }
    turn()
  })
}
