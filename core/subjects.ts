/**
 * Every subject of the wire, in one place (DESIGN §4, docs/protocol.md). Names are checked here, where they become tokens of a subject: a name
 * may come from a remote caller. Throws `protocol.bad-arguments` for one that is no name.
 */
import { Fault } from './fault.js'
import { isName, nameLengthMax } from './ids.js'

export interface Subjects {
  /** Calls to one node. */
  node(nodeId: string): string
  /** Calls to any node of a service: a queue group that a node leaves while it does not serve. */
  service(service: string): string
  /** What all subjects of services begin with. */
  readonly services: string
  /** Events, to everybody who hears them. */
  event(name: string): string
  /** The same events as long as there may be hosts that do not know of their names yet. No event can have this name. */
  readonly introduced: string
  /** New versions are announced here. */
  readonly announcements: string
  /** Questions to the upgrade servers: a queue group. */
  readonly server: string
  /** What changes the history: a subject of its own, so that NATS lets operators alone publish there. The same queue group. */
  readonly install: string
  /** Those who look at the rollout ask here; every host listens. */
  readonly look: string
  /** What is told to one who looks. */
  looker(looker: string): string
}

export const serviceQueue = 'serving'
export const serverQueue = 'servers'

/** Of the system that was asked for last: a process has one as a rule. */
let latest: { readonly system: string; readonly subjects: Subjects } | undefined

export function subjectsOf(system: string): Subjects {
  if (latest?.system !== system) latest = { system, subjects: subjectsUnder(`theseus.${system}`) }
  return latest.subjects
}

function subjectsUnder(prefix: string): Subjects {
  return {
    node: (nodeId) => `${prefix}.node.${token('a node id', nodeId)}`,
    service: (service) => `${prefix}.service.${token('a service', service)}`,
    services: `${prefix}.service.`,
    event: (name) => `${prefix}.event.${token('an event', name)}`,
    introduced: `${prefix}.event._introduced`,
    announcements: `${prefix}.upgrades`,
    server: `${prefix}.server`,
    install: `${prefix}.install`,
    look: `${prefix}.look`,
    looker: (looker) => `${prefix}.looker.${token('a looker', looker)}`,
  }
}

const shownLengthMax = 80

function token(what: string, name: unknown): string {
  if (isName(name)) return name
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, shownLengthMax)) : `of type ${typeof name}`
  const advice = `use 1 to ${nameLengthMax} letters, digits, - and _, beginning with a letter or digit`
  throw new Fault('protocol.bad-arguments', `${shown} is not the name of ${what}: ${advice}`)
}
