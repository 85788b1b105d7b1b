/** A host or an upgrade server that was told of nobody to trust says so at its start. */
import { Fault } from '../base/fault.js'
import type { HostEvent } from './hostEvents.js'

/** The warning at a start where nothing was said of trust. */
export function noTrustWarning(who: string, system: string): Extract<HostEvent, { type: 'warning' }> {
  const message = `${who} of system ${system} takes upgrades that nobody has signed: give it "trust", or write trust: 'nobody' if that is meant`
  return { type: 'warning', message: 'upgrades need no signature here', error: new Fault('config.invalid', message) }
}
