/**
 * Scheduling functions that read all the time what their node has committed, as the privileged
 * observers that they are (§4).
 *
 * S2. An observer sees the root and the collections as one state: no record of a column is missing from what
 * the root counts, whatever is written, upgraded or made in passing meanwhile.
 */
import type { SchedulingView } from 'theseus'
import { type ColumnsHolder, type ColumnsState, listOf, torn } from '../columns.js'
import type { Column } from '../plan.js'
import type { ClassSpec } from '../specs.js'
import type { Witness } from '../witness.js'

const lookEveryMs = 4
const looks = 50

/** Looks for a while, also where the schedule has signalled meanwhile. */
export async function watchedBy(view: SchedulingView, spec: ClassSpec, witness: Witness, signal: Promise<void>): Promise<void> {
  // Its failure is told when the looks are over.
  signal.catch(() => {})
  for (let i = 0; i < looks; i++) {
    look(view, spec, witness)
    await view.sleep(lookEveryMs)
  }
  await signal
}

function look(view: SchedulingView, spec: ClassSpec, witness: Witness): void {
  if (view.className !== spec.className) return
  const holder = { state: view.state as unknown as ColumnsState, collection: (name: string) => view.collection(name) as any }
  for (const column of spec.columns) {
    const wrong = listed(holder, column).find((op) => op.startsWith(torn))
    if (wrong !== undefined) witness.violated('S2', `the schedule of ${view.nodeId} sees of ${column.name}: ${wrong}`)
  }
}

/** Nothing where a record can't be made: that is the trouble of its upgrade. */
function listed(holder: ColumnsHolder, column: Column): readonly string[] {
  try {
    return listOf(holder, column)
  } catch {
    return []
  }
}
