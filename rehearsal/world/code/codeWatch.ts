/** All that watches what a plan's code does, by the habits that it has. */
import type { Plan } from '../plan.js'
import { EndlessWatch } from './endlessWatch.js'
import { LabelWatch } from './labelWatch.js'
import { PermitWatch } from './permits.js'
import { TableWatch } from './table.js'
import { TickWatch } from './ticks.js'

export class CodeWatch {
  readonly ticks: TickWatch
  readonly tables: TableWatch
  readonly permits: PermitWatch
  readonly endless: EndlessWatch
  readonly labels: LabelWatch

  constructor(plan: Plan, nowMs: () => number, violated: (rule: string, what: string) => void) {
    this.ticks = new TickWatch(nowMs, violated)
    this.tables = new TableWatch(plan, violated)
    this.permits = new PermitWatch(plan, violated)
    this.endless = new EndlessWatch(plan, nowMs, violated)
    this.labels = new LabelWatch(plan, violated)
  }

  /** A process with these nodes is gone. */
  died(host: string, nodeIds: readonly string[]): void {
    this.endless.died(host, nodeIds)
    for (const nodeId of nodeIds) this.ticks.died(nodeId)
  }
}
