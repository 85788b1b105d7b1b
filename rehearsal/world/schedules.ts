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
} from 'theseus'
import { watchedBy } from './code/lookers.js'
import { isPermitted } from './code/permits.js'
import type { ClassUpgradePlan, SchedulePlan } from './plan.js'
import type { ClassSpec } from './specs.js'
import type { Witness } from './witness.js'

/** @param spec the class that its node runs */
export function troubledSchedule(upgrade: ClassUpgradePlan, spec: ClassSpec, witness: Witness, version: number): Schedule {
  const schedule = scheduleOf(upgrade.schedule)
  return {
    ...schedule,
    run: async (view) => {
      await witness.trouble(upgrade.troubles.schedule, view.nodeId, `the schedule of upgrade ${version}`)
      if (upgrade.isWatched) await watchedBy(view, spec, witness, schedule.run(view))
      else await schedule.run(view)
      witness.signalled(view.nodeId, view.target)
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
