/**
 * `natsctl rollout watch`: a screen on a terminal, else a line for each change; and `rollout status --watch`,
 * which is always the lines.
 */
import type { Operator, Version } from 'theseus-actors'
import { withOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { checkKnown, withKnownSystem } from '../context/knownSystem.js'
import type { Trust } from '../context/trust.js'
import { type KeyFlags, signerOf } from '../context/upgraderSeed.js'
import { DoubtNotice, printDoubt } from '../history/knownHistory.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { count, note, print } from '../output/output.js'
import { rolloutExitCode } from '../rollout/rolloutExitCode.js'
import { type RolloutState, rolloutStateOf } from '../rollout/rolloutState.js'
import { ChangeLines, jsonLines, textLines } from './lineOutput.js'
import { LiveScreen } from './liveScreen.js'
import { Rates, type VersionRates } from './rates.js'
import { rolloutSnapshots } from './rolloutSnapshots.js'

export interface WatchFlags extends GlobalFlags, KeyFlags {
  readonly untilDone?: true
}

export async function watch(flags: WatchFlags): Promise<ExitCode> {
  // A reader that waits for the end may wait for a system that has not begun.
  const waits = flags.untilDone === true
  if (!isOnTerminal(flags)) {
    const using = waits ? withOperator : withKnownSystem
    return using(flags, (operator, system, trust) =>
      watchLines(operator, system, flags, { isOver: flags.untilDone ? isDone : undefined }, trust),
    )
  }
  const upgrader = await signerOf(flags)
  return withOperator(
    flags,
    async (operator, system, trust) => {
      if (!waits) await checkKnown(operator.database, system, flags)
      return watchScreen(operator, system, flags, trust)
    },
    upgrader,
  )
}

/**
 * Nothing will change by itself any more: each node is there or in trouble, or a pause holds those that are
 * not, or all of it is undone.
 */
function isDone({ settled, state, isAtRest }: RolloutState): boolean {
  return settled || (isAtRest && (state === 'paused' || state === 'undone'))
}

function isOnTerminal({ output }: GlobalFlags): boolean {
  return output !== 'json' && process.stdout.isTTY === true && process.env.TERM !== 'dumb'
}

/** Ends with what is to be read afterwards: the screen leaves nothing behind. */
async function watchScreen(
  operator: Operator,
  system: string,
  { untilDone }: WatchFlags,
  trust: Trust | undefined,
): Promise<ExitCode> {
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
  let last: RolloutState | undefined
  let doubt: string | undefined
  try {
    screen.open()
    for await (const snapshot of rolloutSnapshots(operator, system, trust, over.signal, screen.warn)) {
      screen.see(snapshot)
      doubt = snapshot.known.doubt
      last = rolloutStateOf({ ...snapshot.known, rows: snapshot.rows }, snapshot.known.newest)
      if (untilDone && isDone(last)) break
    }
  } finally {
    screen.close()
  }
  if (failure !== undefined) throw failure.error
  printDoubt({ doubt })
  if (last !== undefined) print(`version ${last.goal} of system ${system}: ${progressOf(last)}`)
  if (untilDone === undefined) return exitCodes.done
  return last !== undefined && isDone(last) ? rolloutExitCode(last, true) : exitCodes.interrupted
}

function progressOf({ there, nodes, state }: RolloutState): string {
  return `${there} of ${count(nodes, 'node')} there, ${state}`
}

interface Until {
  /** By default the newest version. */
  readonly goal?: Version | undefined
  /** Undefined: somebody ends it, which is its ordinary end. */
  readonly isOver: ((rollout: RolloutState) => boolean) | undefined
  readonly timeoutMs?: number | undefined
}

/** A line for each change, until it is over, its time is up, or somebody ends it. */
export async function watchLines(
  operator: Operator,
  system: string,
  { output }: GlobalFlags,
  { goal, isOver, timeoutMs }: Until,
  trust: Trust | undefined,
): Promise<ExitCode> {
  const isJson = output === 'json'
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const late = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)]
  const signal = AbortSignal.any([interrupted.signal, ...late])
  const telling = new DoubtNotice()
  const figures = isJson ? new FiguresNowAndThen(operator) : undefined
  const changes = new ChangeLines(isJson ? jsonLines : textLines(system))
  try {
    for await (const { rows, known } of rolloutSnapshots(operator, system, trust, signal, note)) {
      telling.tell({ doubt: known.doubt })
      const rollout = rolloutStateOf({ ...known, rows }, goal ?? known.newest)
      changes.show(rollout, rows, figures?.due(Date.now()) ?? [])
      if (isOver?.(rollout)) return rolloutExitCode(rollout, true)
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
