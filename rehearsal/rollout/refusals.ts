/**
 * Which calls simulation objects will not carry out while nodes of two versions talk to each other (§7.1,
 * condition 2): what an SO refuses for good, what it may refuse from case to case, and what nobody answers
 * because there is no SO.
 */
import type { Version } from '../../core/base/ids.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { classChange, type MethodChange, type Treatment } from './classChange.js'

export interface Refusals {
  readonly service: string
  readonly role: 'futureSO' | 'pastSO'
  /** The class whose calls they are, and the one that the nodes have which refuse them. */
  readonly simulates: string
  readonly over: string
  /** Calls labelled with this version. */
  readonly version: Version
  /** Methods that it always refuses. */
  readonly refused: readonly string[]
  /** Methods of its own that may refuse, as their code has it. */
  readonly mayRefuse: readonly string[]
  /** All methods, where there is no SO though the types differ: `version.cut`. */
  readonly cut: readonly string[]
}

/**
 * Of the upgrade to `version`. A future-SO's calls are to nodes that have not gone yet, a
 * past-SO's to those that have.
 */
export function refusalsOf(upgrades: readonly ClassUpgrade[], version: Version): readonly Refusals[] {
  return upgrades.flatMap((upgrade) => {
    const { service, oldClass, newClass, methods } = classChange(upgrade)
    const future = { service, role: 'futureSO', simulates: newClass, over: oldClass, version } as const
    const past = { service, role: 'pastSO', simulates: oldClass, over: newClass, version: version - 1 } as const
    const all = [
      { ...future, ...treated(methods, ({ futureSO }) => futureSO) },
      { ...past, ...treated(methods, ({ pastSO }) => pastSO) },
    ]
    return all.filter(({ refused, mayRefuse, cut }) => refused.length + mayRefuse.length + cut.length > 0)
  })
}

function treated(methods: readonly MethodChange[], by: (method: MethodChange) => Treatment | null) {
  const named = (treatment: Treatment) => methods.filter((method) => by(method) === treatment).map(({ method }) => method)
  return { refused: named('refuses'), mayRefuse: named('mayRefuse'), cut: named('cut') }
}
