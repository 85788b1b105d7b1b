/** The result of a check, as data and as text. */
import { type Blame, blameText } from './blame.js'
import type { Cast } from './cast.js'
import type { Diagnosis, FindingKind } from './diagnosis.js'
import { type Call, callText, type History, Positions, statesText, targetOf } from './history.js'
import { type Outcome, outcomeText } from './outcomes.js'
import type { Difference } from './playing.js'
import type { RealUsed } from './realTraffic.js'

/** A place in a source. */
export interface SourceLine {
  readonly file: string
  readonly line: number
}

/** One mistake of an upgrade, with the shortest history that shows it. */
export interface Finding {
  readonly kind: FindingKind
  /** The upgrade whose flip shows it: 1 is the first that was given. */
  readonly version: number
  readonly blame: Blame
  readonly line: SourceLine | null
  /** The call that is answered in two ways. */
  readonly call: Call
  /** The end of that call where `history.call` was made before the flip, and where it was made after it. */
  readonly early: Outcome
  readonly late: Outcome
  readonly because: string
  readonly history: History
  /** The history as people read it. */
  readonly transcript: readonly string[]
}

/** A difference that the class upgrade names in `changes`. */
export interface MeantChange {
  readonly version: number
  readonly className: string
  readonly method: string
  readonly reason: string
  /** Whether a history has shown it. */
  readonly isSeen: boolean
  readonly example: readonly string[]
}

/** A refusal without which nothing would contradict anything: a hint, no mistake. */
export interface NeedlessRefusal {
  readonly version: number
  readonly blame: Blame
  readonly line: SourceLine | null
  readonly method: string
  /** An implementation whose effect is that of the refused call, as code. */
  readonly code: string
}

/** How often the calls of a method came to an end of each kind. */
export interface Tried {
  readonly className: string
  readonly version: number
  readonly method: string
  readonly calls: number
  readonly refused: number
  readonly threw: number
}

export interface CheckReport {
  /** True without findings. */
  readonly holds: boolean
  readonly findings: readonly Finding[]
  readonly meant: readonly MeantChange[]
  readonly hints: readonly NeedlessRefusal[]
  readonly tried: readonly Tried[]
  /** Methods that were not called, each with the reason. */
  readonly untried: readonly { readonly className: string; readonly method: string; readonly why: string }[]
  /** Queries whose answers depend on time or chance, so that nothing can be held against them. */
  readonly notCompared: readonly string[]
  /** The real traffic and state that histories were made of; null where none was given. */
  readonly real: RealUsed | null
  readonly histories: number
  readonly seed: number
  /** All of it for a person; what `t.true(report.holds, report.text)` shows. */
  readonly text: string
}

export function transcriptOf(history: History, difference: Difference, cast: Cast): readonly string[] {
  const isAlone = cast.members.size === 1
  const positions = new Positions(cast)
  const lines = [...statesText(history.states ?? {}, isAlone)]
  const who = (node: string) => (isAlone ? 'it' : node)
  for (const step of history.before) {
    switch (step.is) {
      case 'call':
        lines.push(callText(step, isAlone))
        break
      case 'flip':
        lines.push(`${who(step.node)} upgrades to version ${positions.next(step.node)}`)
        positions.flip(step.node)
        break
      case 'restart':
        lines.push(`${who(step.node)} restarts`)
        break
      case 'wait':
        lines.push(`${step.ms} ms pass`)
    }
  }
  const flip = `${isAlone ? 'it' : history.flip} upgrades to version ${targetOf(history, cast)}`
  const call = callText(history.call, isAlone)
  const [early, late] = [outcomeText(difference.early), outcomeText(difference.late)]
  if (difference.at === 'call') {
    lines.push(`either ${call}, then ${flip}: ${early}`, `or     ${flip}, then ${call}: ${late}`)
    return lines
  }
  const afterwards = history.after.map((each) => callText(each, isAlone))
  lines.push(`either ${call}, then ${flip}`, `or     ${flip}, then ${call}`, ...afterwards)
  if (difference.at === 'looksAtEnd' && history.waitMs !== undefined) lines.push(`${history.waitMs} ms pass`)
  const look = callText(difference.call, isAlone)
  lines.push(`${look}: ${early} in the first order, ${late} in the second`)
  return lines
}

export function reportText(report: Omit<CheckReport, 'text'>): string {
  const { findings, meant, hints, notCompared, untried, histories, seed, real } = report
  const lines = [
    findings.length === 0
      ? `nothing contradicts anything in ${histories} histories (seed ${seed})`
      : `${findings.length} ${findings.length === 1 ? 'mistake' : 'mistakes'} in ${histories} histories (seed ${seed})`,
  ]
  if (real !== null) lines.push(...realLines(real))
  for (const finding of findings) lines.push('', ...findingLines(finding))
  for (const { version, className, method, reason, isSeen, example } of meant)
    lines.push(
      '',
      `meant: ${className}.${method} (upgrade ${version}): ${reason}`,
      ...(isSeen ? indented(example) : ['  no history has shown it']),
    )
  for (const { blame, line, code } of hints)
    lines.push(
      '',
      `${placeText(line)}hint: ${blameText(blame)} refuses needlessly; this contradicts nothing:`,
      ...indented(code.split('\n')),
    )
  if (notCompared.length > 0)
    lines.push('', `not compared, for their answers depend on time or chance: ${notCompared.join(', ')}`)
  for (const { className, method, why } of untried) lines.push(`not tried: ${className}.${method}: ${why}`)
  return lines.join('\n')
}

export function findingLines({ kind, line, blame, because, transcript }: Finding): readonly string[] {
  return [`${placeText(line)}${kind}: ${blameText(blame)}: ${because}`, ...indented(transcript)]
}

function realLines({ calls, states, left }: RealUsed): readonly string[] {
  const others = Object.entries(left).map(([why, count]) => `${count} ${why}`)
  const without = others.length === 0 ? '' : `; left out: ${others.join(', ')}`
  return [`with ${calls} recorded calls, and the states of ${states} nodes${without}`]
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`)
}

function placeText(line: SourceLine | null): string {
  return line === null ? '' : `${line.file}:${line.line}: `
}

export function findingOf(
  history: History,
  difference: Difference,
  { kind, blame, because }: Diagnosis,
  cast: Cast,
): Omit<Finding, 'line'> {
  return {
    kind,
    version: targetOf(history, cast)!,
    blame,
    call: difference.call,
    early: difference.early,
    late: difference.late,
    because,
    history,
    transcript: transcriptOf(history, difference, cast),
  }
}
