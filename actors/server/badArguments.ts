import { Fault } from '../../core/base/fault.js'

/** Of a call whose arguments are not those that its method takes. */
export function badArguments(expected: string): Fault {
  return new Fault('protocol.bad-arguments', `expected ${expected}`)
}
