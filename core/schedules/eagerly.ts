import { type Schedule, schedule } from './schedule.js'

/** §4, "Upgrade eagerly. The SF signals immediately." Useful to fix a critical bug. */
export function eagerly(): Schedule {
  return schedule('eagerly', async () => {})
}
