/** The schedules of a plan, with the troubles that are planned for them. */
import {
  afterMyServers,
  atMost,
  eagerly,
  gradually,
  oneReplicaAtATime,
  type Schedule,
  type SchedulingView,
  schedule,
  steps,
  whenIdle,
} from 'theseus-actors'
import type { ClassSpec } from './classSpecs.js'
import { isPermitted } from './code/permits.js'
import { readUntilSignal } from './code/stateReaders.js'
import type { ExecutionOracle } from './executionOracle.js'
import type { ClassUpgradePlan, SchedulePlan } from './plan.js'

/** @param spec the class that its node runs */
export function troubledSchedule(upgrade: ClassUpgradePlan, spec: ClassSpec, oracle: ExecutionOracle, version: number): Schedule {
  const schedule = scheduleOf(upgrade.schedule)
  return {
    ...schedule,
    run: async (view) => {
      await oracle.trouble(upgrade.troubles.schedule, view.nodeId, `the schedule of upgrade ${version}`)
      if (upgrade.isWatched) await readUntilSignal(view, spec, oracle, schedule.run(view))
      else await schedule.run(view)
      oracle.signalled(view.nodeId, view.target)
    },
  }
}

function scheduleOf(plan: SchedulePlan): Schedule {
  switch (plan.kind) {
    case 'eagerly':
      return eagerly()
    case 'gradually':
      return gradually({ every: plan.everyMs, probability: plan.probability })
    case 'atMost':
      return atMost(plan.nodes)
    case 'oneReplicaAtATime':
      return oneReplicaAtATime()
    case 'afterMyServers':
      return plan.isNamed ? afterMyServers('ledger') : afterMyServers()
    case 'permitted':
      return schedule('permitted', (view: SchedulingView) => view.until(() => isPermitted(view)))
    case 'steps':
      return steps(['1 node', '50%', 'all'], { bake: plan.bakeMs })
    case 'whenIdle':
      return whenIdle(plan.forMs)
  }
}
