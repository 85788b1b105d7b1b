import { type Duration, milliseconds } from '../base/duration.js'
import { type Schedule, schedule } from './schedule.js'

/** §4, "to avoid disturbing user activity": signals when the node has answered no call for `forAtLeast`. */
export function whenIdle(forAtLeast: Duration): Schedule {
  const idleMs = milliseconds(forAtLeast)
  return schedule(`whenIdle(${forAtLeast})`, async (view) => {
    for (let before = -1; ; ) {
      const { answered, failed } = view.calls()
      if (answered + failed === before) return
      before = answered + failed
      await view.sleep(idleMs)
    }
  })
}
