import { Fault } from '../../core/base/fault.js'

export function noAnswerFault(): Fault {
  return new Fault('unavailable.disconnected', 'the upgrade database does not answer')
}
