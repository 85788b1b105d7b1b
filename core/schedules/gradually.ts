import { type Duration, milliseconds } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import { paceSeen, sleepAtPace } from './rolloutPace.js'
import { type Schedule, schedule } from './schedule.js'

/**
 * §4, "Upgrade gradually. The SF decides whether to signal by periodically flipping a coin." Avoids too many
 * simultaneous restarts. The first coin is flipped at a random moment of the first period, so that nodes
 * which learn together do not flip together. An operator may change both figures meanwhile: then a node
 * begins anew with them.
 */
export function gradually(options: { readonly every: Duration; readonly probability: number }): Schedule {
  const everyMs = milliseconds(options.every)
  const { probability } = options
  if (!(probability > 0 && probability <= 1))
    throw new Fault('config.invalid', `gradually: probability ${probability} is not in (0, 1]`)
  return schedule(`gradually({ every: ${options.every}, probability: ${probability} })`, async (view) => {
    for (;;) {
      const pace = paceSeen(view)
      const periodMs = pace.everyMs ?? everyMs
      let isOther = await sleepAtPace(view, view.random() * periodMs, pace)
      while (!isOther && view.random() >= (pace.probability ?? probability)) isOther = await sleepAtPace(view, periodMs, pace)
      if (!isOther) return
    }
  })
}
