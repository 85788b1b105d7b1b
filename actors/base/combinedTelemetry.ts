/** Several who trace and measure, as one. An exception of theirs is their own affair and never a call's. */
import type { Fault } from '../../core/base/fault.js'
import type {
  CallMade,
  CallReceived,
  Hop,
  MadeWatch,
  ReceivedOutcome,
  ReceivedWatch,
  Telemetry,
} from '../../core/inspection/telemetry.js'

/** Undefined if nobody does: then calls pay one comparison. */
export function combinedTelemetry(all: readonly Telemetry[]): Telemetry | undefined {
  return all.length === 0 ? undefined : new Telemetries(all)
}

class Telemetries implements Telemetry {
  constructor(private readonly all: readonly Telemetry[]) {}

  made(call: CallMade): MadeWatch | undefined {
    const watches = this.#ask((each) => each.made?.(call))
    if (watches.length === 0) return undefined
    return {
      trace: traceOf(watches) ?? call.parent,
      answered: (replier, hops) => each(watches, (watch) => watch.answered(replier, hops)),
      failed: (fault, replier) => each(watches, (watch) => watch.failed(fault, replier)),
    }
  }

  sent(call: CallMade): string | null {
    return this.#ask((each) => each.sent?.(call) ?? undefined)[0] ?? call.parent
  }

  received(call: CallReceived): ReceivedWatch | undefined {
    const watches = this.#ask((each) => each.received?.(call))
    if (watches.length === 0) return undefined
    const watched = {
      trace: traceOf(watches) ?? call.envelope.trace,
      ended: (outcome: ReceivedOutcome, fault: Fault | undefined) => each(watches, (watch) => watch.ended(outcome, fault)),
    }
    const runners = watches.filter((watch) => watch.run !== undefined)
    if (runners.length === 0) return watched
    return { ...watched, run: (method) => around(runners, method, (watch, once) => watch.run!(once)) }
  }

  hop<T>(hop: Hop, run: () => T): T {
    const hoppers = this.all.filter((telemetry) => telemetry.hop !== undefined)
    return around(hoppers, run, (telemetry, once) => telemetry.hop!(hop, once))
  }

  stop(): void {
    each(this.all, (telemetry) => telemetry.stop?.())
  }

  #ask<T>(question: (telemetry: Telemetry) => T | undefined): readonly T[] {
    const answers: T[] = []
    for (const telemetry of this.all) {
      try {
        const answer = question(telemetry)
        if (answer !== undefined) answers.push(answer)
      } catch {
        // It only looks.
      }
    }
    return answers
  }
}

function traceOf(watches: readonly { readonly trace: string | null }[]): string | null {
  for (const { trace } of watches) if (trace !== null) return trace
  return null
}

function each<T>(all: readonly T[], tell: (one: T) => void): void {
  for (const one of all) {
    try {
      tell(one)
    } catch {
      // It only looks.
    }
  }
}

function around<W, T>(all: readonly W[], method: () => T, by: (one: W, once: () => T) => T): T {
  return all.reduceRight<() => T>((inner, one) => () => guarded(inner, (once) => by(one, once)), method)()
}

/** The method runs once, whatever happens around it, and what it gives or throws is what comes out. */
function guarded<T>(method: () => T, outer: (once: () => T) => T): T {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined
  const once = (): T => {
    try {
      const value = method()
      outcome = { value }
      return value
    } catch (error) {
      outcome = { error }
      throw error
    }
  }
  try {
    outer(once)
  } catch {
    // The method's own error is thrown below.
  }
  if (outcome === undefined) return method()
  if ('error' in outcome) throw outcome.error
  return outcome.value
}
