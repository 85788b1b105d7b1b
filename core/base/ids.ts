/**
 * The names of things and their grammar. Names become subject tokens, keys and file names, so they are kept
 * to what NATS allows in one token and every file system in a name.
 */
import { shownPath } from './boundedText.js'
import { Fault } from './fault.js'

/** Counts how many upgrades the upgrade server has installed (§3). Defines the software of all nodes (§2). */
export type Version = number

export const versionMax = 2 ** 32 - 1
export const nameLengthMax = 64

const name = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const className = /^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$/

export function isVersion(value: unknown): value is Version {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= versionMax
}

export function isName(value: unknown): value is string {
  return typeof value === 'string' && name.test(value)
}

/** Throws `config.invalid` unless `value` can be the name of a system, a node or a service. */
export function checkName(what: 'system' | 'node id' | 'service' | 'collection' | 'group', value: unknown): string {
  if (isName(value)) return value
  throw new Fault(
    'config.invalid',
    `${what} ${shownPath(String(JSON.stringify(value)))}: use 1 to ${nameLengthMax} letters, digits, - and _, beginning with a letter or digit`,
  )
}

export function isClassName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= nameLengthMax && className.test(value)
}
