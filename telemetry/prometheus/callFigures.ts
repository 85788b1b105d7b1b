/**
 * The figures that are counted of each call, received and made. Labels are bounded: services, classes and
 * versions of this host's own nodes, never a node's id, and never what only a caller says.
 */
import { type Fault, faultCodes } from '../../core/base/fault.js'
import type { CallMade, CallReceived, MadeWatch, ReceivedOutcome, ReceivedWatch } from '../../core/inspection/telemetry.js'
import type { Link } from '../../core/model/objectChain.js'
import { Distribution } from './distribution.js'

/** Seconds. From a call of memory alone to one that waits for others. */
export const callBounds: readonly number[] = [
  ...[0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10],
]
export const waitBounds: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/** Of the calls of one version of one class. */
export interface ReceivedFigures {
  readonly service: string
  /** Empty, as the version, for calls that no method answered. */
  readonly className: string
  readonly version: string
  /** By `answered`, `expired`, or the kind of the fault. */
  readonly outcomes: Record<string, number>
  simulated: number
  refused: number
  readonly durations: Distribution
  readonly waits: Distribution
}

export interface MadeFigures {
  readonly service: string
  readonly outcomes: Record<string, number>
  readonly durations: Distribution
}

export class CallFigures {
  /** The figures of a link's calls; links are made anew with each chain, figures are not. */
  readonly #ofLink = new WeakMap<Link, ReceivedFigures>()
  readonly #received = new Map<string, ReceivedFigures>()
  readonly #made = new Map<string, MadeFigures>()
  sends = 0
  events = 0

  get received(): Iterable<ReceivedFigures> {
    return this.#received.values()
  }

  get made(): Iterable<MadeFigures> {
    return this.#made.values()
  }

  watchReceived({ service, link, hops, waitedMs }: CallReceived): ReceivedWatch {
    const figures = this.#figures(service, link)
    if (link !== undefined) {
      figures.waits.add(waitedMs / 1000)
      if (hops > 0) figures.simulated++
    }
    return new ReceivedTimer(figures, link !== undefined)
  }

  watchMade({ service }: CallMade): MadeWatch {
    const name = service ?? ''
    let figures = this.#made.get(name)
    if (figures === undefined) {
      figures = { service: name, outcomes: {}, durations: new Distribution(callBounds) }
      this.#made.set(name, figures)
    }
    return new MadeTimer(figures)
  }

  #figures(service: string, link: Link | undefined): ReceivedFigures {
    const known = link === undefined ? undefined : this.#ofLink.get(link)
    if (known !== undefined) return known
    const className = link?.className ?? ''
    const version = link === undefined ? '' : String(link.version)
    const key = `${service} ${className} ${version}`
    let figures = this.#received.get(key)
    if (figures === undefined) {
      const durations = new Distribution(callBounds)
      figures = {
        service,
        className,
        version,
        outcomes: {},
        simulated: 0,
        refused: 0,
        durations,
        waits: new Distribution(waitBounds),
      }
      this.#received.set(key, figures)
    }
    if (link !== undefined) this.#ofLink.set(link, figures)
    return figures
  }
}

/** The metrics do nothing with the trace that travels with calls. */
class ReceivedTimer implements ReceivedWatch {
  readonly trace = null
  readonly #startedMs = performance.now()

  constructor(
    private readonly figures: ReceivedFigures,
    private readonly isRun: boolean,
  ) {}

  ended(outcome: ReceivedOutcome, fault: Fault | undefined): void {
    const { figures } = this
    count(figures.outcomes, fault === undefined ? outcome : kindOf(fault))
    if (fault?.kind === 'simulation') figures.refused++
    if (this.isRun) figures.durations.add((performance.now() - this.#startedMs) / 1000)
  }
}

class MadeTimer implements MadeWatch {
  readonly trace = null
  readonly #startedMs = performance.now()

  constructor(private readonly figures: MadeFigures) {}

  answered(): void {
    this.#ended('answered')
  }

  failed(fault: Fault): void {
    this.#ended(kindOf(fault))
  }

  #ended(outcome: string): void {
    count(this.figures.outcomes, outcome)
    this.figures.durations.add((performance.now() - this.#startedMs) / 1000)
  }
}

/** A fault's code may be of anybody's making; its kind is one of a few. */
const kinds: ReadonlySet<string> = new Set(Object.keys(faultCodes).map((code) => code.slice(0, code.indexOf('.'))))

export function kindOf({ kind }: Fault): string {
  return kinds.has(kind) ? kind : 'other'
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}
