/**
 * A table of the upgrade database that says who may upgrade (§4: "a list of nodes that are authorized to
 * upgrade"), which operators fill in one by one.
 *
 * S1. Nobody whom it concerns leaves for an upgrade before the table permits it.
 */
import type { SchedulingView, Version } from 'theseus-actors'
import { classUpgradeOf } from '../classSpecs.js'
import type { Plan, ServiceName } from '../plan.js'
import type { UpgradeDatabase } from '../processEnvironment.js'

const tableName = 'permits'

export async function isPermitted(view: SchedulingView): Promise<boolean> {
  return (await view.table(tableName)).has(view.nodeId)
}

export function permit(database: UpgradeDatabase, nodeId: string): Promise<void> {
  return database.setInTable(tableName, nodeId, 'may go')
}

export class PermitChecker {
  readonly #permitted = new Set<string>()

  constructor(
    private readonly plan: Plan,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  setInTable(table: string, key: string): void {
    if (table === tableName) this.#permitted.add(key)
  }

  /** @param isTold an operator has said "now", or the version is an undo */
  drains(nodeId: string, service: ServiceName, target: Version, isTold: boolean): void {
    if (isTold || this.#permitted.has(nodeId)) return
    if (classUpgradeOf(this.plan, service, target)?.schedule.kind === 'permitted')
      this.violated('S1', `${nodeId} drains for ${target}, and no table permits it`)
  }
}
