/** The schedules of a plan, with the troubles that are planned for them. */
import { afterMyServers, atMost, eagerly, gradually, oneReplicaAtATime, type Schedule, whenIdle } from 'theseus'
import type { ClassUpgradePlan, SchedulePlan } from './plan.js'
import type { Witness } from './witness.js'

export function troubledSchedule(upgrade: ClassUpgradePlan, witness: Witness, version: number): Schedule {
  const schedule = scheduleOf(upgrade.schedule)
  return {
    ...schedule,
    run: async (view) => {
      await witness.trouble(upgrade.troubles.schedule, view.nodeId, `the schedule of upgrade ${version}`)
      await schedule.run(view)
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
      return afterMyServers('ledger')
    case 'whenIdle':
      return whenIdle(plan.forMs)
  }
}
