/** All that watches what a plan's code does, by the habits that it has. */
import type { Plan } from '../plan.js'
import { EndlessCallChecker } from './endlessCallChecker.js'
import { LabelChecker } from './labelChecker.js'
import { PermitChecker } from './permits.js'
import { TableChecker } from './table.js'
import { TickChecker } from './ticks.js'

export class CodeCheckers {
  readonly ticks: TickChecker
  readonly tables: TableChecker
  readonly permits: PermitChecker
  readonly endless: EndlessCallChecker
  readonly labels: LabelChecker

  constructor(plan: Plan, nowMs: () => number, violated: (rule: string, what: string) => void) {
    this.ticks = new TickChecker(nowMs, violated)
    this.tables = new TableChecker(plan, violated)
    this.permits = new PermitChecker(plan, violated)
    this.endless = new EndlessCallChecker(plan, nowMs, violated)
    this.labels = new LabelChecker(plan, violated)
  }

  /** A process with these nodes is gone. */
  died(host: string, nodeIds: readonly string[]): void {
    this.endless.died(host, nodeIds)
    for (const nodeId of nodeIds) this.ticks.died(nodeId)
  }
}
