/**
 * The labels of what travels between nodes.
 *
 * V1 (§3). An object's messages are labelled with its node's version at the moment of sending; an SO's, with
 *     a version that it implements.
 */
import type { Transit } from 'theseus-actors/memory'
import { decode } from '../../../core/wire/codec.js'
import { kinds } from '../../../core/wire/envelope.js'
import { type ClassSpec, lineageOf } from '../classSpecs.js'
import type { Plan } from '../plan.js'
import { serviceOfNode, type Walk } from './walks.js'

export class LabelChecker {
  readonly #lines: Readonly<Record<string, readonly ClassSpec[]>>

  constructor(
    private readonly plan: Plan,
    private readonly violated: (rule: string, what: string) => void,
  ) {
    this.#lines = { ledger: lineageOf(plan, 'ledger'), teller: lineageOf(plan, 'teller') }
  }

  /** Looks at walks, of which the plan has few. */
  passed({ from, message }: Transit): void {
    if (!this.plan.habits.includes('walks') || !this.plan.hosts.includes(from) || !message.subject.includes('.node.')) return
    for (const envelope of decode(message.payload)) {
      if (envelope.kind !== kinds.call || envelope.method !== 'walk') continue
      const { caller, callerVersion, label } = envelope
      const [op, way] = envelope.args as [string, Walk]
      const line = this.#lines[serviceOfNode(caller)]!
      const isRight = way.label === undefined ? label === callerVersion : line[label] === line[way.label]
      if (!isRight)
        this.violated(
          'V1',
          `${caller} at version ${callerVersion} calls ${op} at version ${label}; ${way.label ?? callerVersion} it should be`,
        )
    }
  }
}
