/**
 * Scheduling functions that read all the time what their node has committed, as the privileged
 * observers that they are (§4).
 *
 * S2. An observer sees the root and the collections as one state: no record of a register is missing from
 * what the root counts, whatever is written, upgraded or made in passing meanwhile.
 */
import type { SchedulingView } from 'theseus-actors'
import type { ClassSpec } from '../classSpecs.js'
import type { ExecutionOracle } from '../executionOracle.js'
import type { Register } from '../plan.js'
import { listOf, type RegistersHolder, type RegistersState, torn } from '../registers.js'

const lookEveryMs = 4
const looks = 50

/** Looks for a while, also where the schedule has signalled meanwhile. */
export async function readUntilSignal(
  view: SchedulingView,
  spec: ClassSpec,
  oracle: ExecutionOracle,
  signal: Promise<void>,
): Promise<void> {
  // Its failure is told when the looks are over.
  signal.catch(() => {})
  for (let i = 0; i < looks; i++) {
    look(view, spec, oracle)
    await view.sleep(lookEveryMs)
  }
  await signal
}

function look(view: SchedulingView, spec: ClassSpec, oracle: ExecutionOracle): void {
  if (view.className !== spec.className) return
  const holder = { state: view.state as unknown as RegistersState, collection: (name: string) => view.collection(name) as any }
  for (const register of spec.registers) {
    const wrong = listed(holder, register).find((op) => op.startsWith(torn))
    if (wrong !== undefined) oracle.violated('S2', `the schedule of ${view.nodeId} sees of ${register.name}: ${wrong}`)
  }
}

/** Nothing where a record can't be made: that is the trouble of its upgrade. */
function listed(holder: RegistersHolder, register: Register): readonly string[] {
  try {
    return listOf(holder, register)
  } catch {
    return []
  }
}
