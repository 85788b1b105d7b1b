/** `natsctl rollout watch`: a screen on a terminal, else a line for each change; and `rollout status --watch`, which is always the lines. */
import type { Operator, Version } from 'theseus'
import { withOperator } from '../connection.js'
import { type ExitCode, exitCodes } from '../exitCodes.js'
import type { GlobalFlags } from '../flags.js'
import { count, note, print } from '../output.js'
import { type Rollout, summarize } from '../rolloutSummary.js'
import { type KeyFlags, signerOf } from '../upgraderSeed.js'
import { Changes, jsonLines, textLines } from './lines.js'
import { LiveScreen } from './liveScreen.js'
import { Rates, type VersionRates } from './rates.js'
import { watching } from './source.js'

export interface WatchFlags extends GlobalFlags, KeyFlags {
  readonly untilDone?: true
}

export async function watch(flags: WatchFlags): Promise<ExitCode> {
  if (!isOnTerminal(flags)) {
    return withOperator(flags, (operator, system) =>
      watchLines(operator, system, flags, { isOver: flags.untilDone ? ({ settled }) => settled : undefined }),
    )
  }
  const upgrader = await signerOf(flags)
  return withOperator(flags, (operator, system) => watchScreen(operator, system, flags), upgrader)
}

function isOnTerminal({ output }: GlobalFlags): boolean {
  return output !== 'json' && process.stdout.isTTY === true && process.env.TERM !== 'dumb'
}

/** Ends with what is to be read afterwards: the screen leaves nothing behind. */
async function watchScreen(operator: Operator, system: string, { untilDone }: WatchFlags): Promise<ExitCode> {
  const over = new AbortController()
  let failure: { readonly error: unknown } | undefined
  const screen = new LiveScreen(
    operator,
    system,
    () => over.abort(),
    (error) => {
      failure ??= { error }
      over.abort()
    },
  )
  let last: Rollout | undefined
  try {
    screen.open()
    for await (const look of watching(operator, over.signal, screen.warn)) {
      screen.see(look)
      last = summarize(look.rows, look.known.newest, look.known.newest)
      if (untilDone && last.settled) break
    }
  } finally {
    screen.close()
  }
  if (failure !== undefined) throw failure.error
  if (last !== undefined) print(`version ${last.goal} of system ${system}: ${progressOf(last)}`)
  if (untilDone === undefined) return exitCodes.done
  if (last?.settled !== true) return exitCodes.interrupted
  return last.state === 'done' ? exitCodes.done : exitCodes.degraded
}

function progressOf({ there, nodes, state }: Rollout): string {
  return `${there} of ${count(nodes, 'node')} there, ${state}`
}

interface Until {
  /** By default the newest version. */
  readonly goal?: Version | undefined
  /** Undefined: somebody ends it, which is its ordinary end. */
  readonly isOver: ((rollout: Rollout) => boolean) | undefined
  readonly timeoutMs?: number | undefined
}

/** A line for each change, until it is over, its time is up, or somebody ends it. */
export async function watchLines(
  operator: Operator,
  system: string,
  { output }: GlobalFlags,
  { goal, isOver, timeoutMs }: Until,
): Promise<ExitCode> {
  const isJson = output === 'json'
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const late = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)]
  const figures = isJson ? new FiguresNowAndThen(operator) : undefined
  const changes = new Changes(isJson ? jsonLines : textLines(system))
  try {
    for await (const { rows, known } of watching(operator, AbortSignal.any([interrupted.signal, ...late]), note)) {
      const rollout = summarize(rows, known.newest, goal ?? known.newest)
      changes.show(rollout, rows, figures?.due(Date.now()) ?? [])
      if (isOver?.(rollout)) return rollout.state === 'done' ? exitCodes.done : exitCodes.degraded
    }
    if (!interrupted.signal.aborted) return exitCodes.timedOut
    return isOver === undefined ? exitCodes.done : exitCodes.interrupted
  } finally {
    figures?.stop()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

/** Hosts tell theirs once a second. */
const figuresMs = 1_000

class FiguresNowAndThen {
  readonly #rates = new Rates()
  readonly stop: () => void
  #toldAt = 0

  constructor(operator: Operator) {
    this.stop = operator.look(
      ({ hostId, figures }) => {
        for (const told of figures) this.#rates.hear(hostId, told, Date.now())
      },
      { types: [], figures: true },
    )
  }

  due(now: number): readonly VersionRates[] {
    if (now - this.#toldAt < figuresMs) return []
    this.#toldAt = now
    return this.#rates.at(now)
  }
}
