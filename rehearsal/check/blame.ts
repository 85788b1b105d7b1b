/** Which part of which class upgrade carries out a call, and so is to blame for what it does. */
import type { Version } from 'theseus-actors'
import { isSO, none } from '../../core/model/simulation.js'
import type { Member } from './cast.js'

/**
 * A part of the class upgrade to `version`; `inverse` is its way back. `object`: a class itself; `notNeeded`
 * and `delegates`: the next object answers as it is.
 */
export interface Blame {
  readonly version: Version
  readonly part: 'futureSO' | 'pastSO' | 'transform' | 'inverse' | 'object'
  /** The class that the SO simulates, that the transform makes, or whose method it is. */
  readonly className: string
  readonly method: string | null
  readonly how: 'implements' | 'delegates' | 'notNeeded'
}

/** The first of the chain that carries the call out itself, of a node that runs `runs`. */
export function carriedOutBy({ line, steps }: Member, label: Version, runs: Version, method: string): Blame {
  const isAhead = label > runs
  let passed: Blame | undefined
  for (let at = label; at !== runs; at += isAhead ? -1 : 1) {
    const version = isAhead ? at : at + 1
    const step = steps[version]
    const so = isAhead ? step?.futureSO : step?.pastSO
    if (step === undefined || so === undefined || so === none) continue
    const part = isAhead ? 'futureSO' : 'pastSO'
    const className = (isAhead ? step.newClass : step.oldClass).className
    const how = !isSO(so) ? 'notNeeded' : so.delegates.includes(method) ? 'delegates' : 'implements'
    const blame: Blame = { version, part, className, method, how }
    if (how === 'implements') return blame
    passed ??= blame
  }
  return passed ?? { version: runs, part: 'object', className: line[runs]!.className, method, how: 'implements' }
}

export function transformTo({ line }: Member, version: Version): Blame {
  return { version, part: 'transform', className: line[version]!.className, method: null, how: 'implements' }
}

/** Of a flip that fails with this message: the part that the runtime names, or else the transform. */
export function flipBlame(member: Member, version: Version, message: string): Blame {
  const transform = transformTo(member, version)
  if (/future-SO's initial\(\)/.test(message)) return { ...transform, part: 'futureSO' }
  if (/past-SO's initial\(\)/.test(message))
    return { ...transform, part: 'pastSO', className: member.line[version - 1]!.className }
  return /\bupgrade\.start\b/.test(message) ? { ...transform, part: 'object' } : transform
}

export function blameText({ part, className, method, how, version }: Blame): string {
  const of = part === 'object' ? className : `the ${partName(part)} of ${className}`
  const does = how === 'implements' ? '' : how === 'delegates' ? ', which delegates it' : ', which is not needed'
  return `${of}${method === null ? '' : `, method ${method}`}${does} (upgrade ${version})`
}

function partName(part: Exclude<Blame['part'], 'object'>): string {
  switch (part) {
    case 'futureSO':
      return 'future-SO'
    case 'pastSO':
      return 'past-SO'
    case 'transform':
    case 'inverse':
      return part
  }
}
