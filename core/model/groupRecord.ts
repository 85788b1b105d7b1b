/**
 * A group of nodes, as a host keeps it: under a key of its own, which release 0.1.0 does not look at. The id
 * of a member says of which group it is, and under which name.
 */
import { Fault } from '../base/fault.js'
import { formats } from '../base/formats.js'
import { checkName } from '../base/ids.js'
import { describeClass, type NodeClass } from './nodeObject.js'

export const groupFormat = formats.group.newest

export interface GroupRecord {
  readonly format: typeof groupFormat
  /** The service of each member, by its name. */
  readonly members: Readonly<Record<string, string>>
}

/** The classes of the members, by their names. */
export type GroupClasses = Readonly<Record<string, NodeClass>>

const memberName = /^[A-Za-z][A-Za-z0-9]*$/

/** The id of the node that is this member. */
export function memberId(group: string, member: string): string {
  return `${group}_${member}`
}

/** The group and the member that have this id, if there is such a group. */
export function partsOfId(nodeId: string): { readonly group: string; readonly member: string } | undefined {
  const at = nodeId.lastIndexOf('_')
  return at <= 0 ? undefined : { group: nodeId.slice(0, at), member: nodeId.slice(at + 1) }
}

/** Throws `config.invalid` for a group that can't be, saying what to change. */
export function checkGroup(name: string, classes: GroupClasses): GroupRecord {
  checkName('group', name)
  const members: Record<string, string> = {}
  const names = new Map<string, string>()
  for (const [member, definition] of Object.entries(classes)) {
    if (!memberName.test(member))
      wrong(`member ${JSON.stringify(member)} of group ${name}: use letters and digits, beginning with a letter`)
    checkName('node id', memberId(name, member))
    const { service } = describeClass(definition)
    const other = names.get(service)
    // Its limit could never let both go at once where it lets one node go.
    if (other !== undefined)
      wrong(`members ${other} and ${member} of group ${name} are both of service ${service}: a group has one node of a service`)
    names.set(service, member)
    members[member] = service
  }
  if (names.size === 0) wrong(`group ${name} has no members: give it a class for each`)
  return { format: groupFormat, members }
}

/** Throws `config.invalid` unless the group is given the members that it has. */
export function checkSameMembers(name: string, kept: unknown, given: GroupRecord): void {
  const { format, members } = (kept ?? {}) as GroupRecord
  if (format !== groupFormat) wrong(`group ${name} is kept in format ${format}: this Theseus reads format ${groupFormat}`)
  for (const [member, service] of Object.entries(members)) {
    const now = given.members[member]
    if (now === undefined) wrong(`group ${name} has a member ${member}, of service ${service}: give its class too`)
    if (now !== service) wrong(`member ${member} of group ${name} is of service ${service}, not ${now}: give it a class of that`)
  }
  for (const member of Object.keys(given.members))
    if (members[member] === undefined)
      wrong(`group ${name} has no member ${member}: its members are ${Object.keys(members).join(', ')}. Form a new group`)
}

function wrong(message: string): never {
  throw new Fault('config.invalid', message)
}
