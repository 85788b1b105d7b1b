/**
 * The names of a new service, all made of one: `order-lines` is the class `OrderLinesV1`, `OrderLines.v1`, in
 * `order-lines.v1.ts`.
 */
import { clientService } from 'theseus-actors/operator'
import { usageFailure } from '../output/exitCodes.js'

export interface ServiceNames {
  /** The name that callers use. */
  readonly service: string
  readonly className: string
  readonly exportName: string
  /** Whether the class has to say its service: it is not what its class name says by itself. */
  readonly saysService: boolean
}

const lengthMax = 48

export function serviceNames(name: string): ServiceNames {
  if (!/^[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*$/.test(name) || name.length > lengthMax)
    throw usageFailure(`"${name}" can't be a service: use letters, digits and -, beginning with a letter, such as order-lines`)
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[-_]/)
  const service = words.join('-')
  if (service === clientService)
    throw usageFailure(`"${service}" is what callers outside any object are registered as: use another name`)
  const pascal = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
  return {
    service,
    className: `${pascal}.v1`,
    exportName: `${pascal}V1`,
    saysService: pascal.toLowerCase() !== service,
  }
}
