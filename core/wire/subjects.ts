/**
 * Every subject of the wire, in one place (DESIGN §4, docs/protocol.md). Names are checked
 * here, where they become tokens of a subject: a name may come from a remote caller. Throws
 * `protocol.bad-arguments` for one that is no name.
 */
import { Fault } from '../base/fault.js'
import { isName, nameLengthMax } from '../base/ids.js'
import { isPublishable } from '../ports/transport.js'

export interface Subjects {
  /** Calls to one node. */
  node(nodeId: string): string
  /** Calls to a node of a sharded service: the owner of the shard listens for all its nodes. */
  shard(service: string, shard: number, nodeId: string): string
  /** All calls to nodes of one shard. */
  wholeShard(service: string, shard: number): string
  /** The owner of a shard is told here of nodes that come into it. */
  shardArrivals(service: string, shard: number): string
  /** The same of a host, for nodes that come out of the service's shards. */
  hostArrivals(service: string, hostId: string): string
  /** Hosts tell each other which shards they have, and which they would take. */
  readonly offers: string
  /** Calls to any node of a service: a queue group that a node leaves while it does not serve. */
  service(service: string): string
  /** The beginning of all subjects of services. */
  readonly services: string
  /** Events, to everybody who hears them. */
  event(name: string): string
  /**
   * The same events as long as there may be hosts that do not know of their names yet. No event
   * can have this name.
   */
  readonly introduced: string
  /** New versions are announced here. */
  readonly announcements: string
  /** Questions to the upgrade servers: a queue group. */
  readonly server: string
  /**
   * For changes of the history: a subject of its own, so that NATS lets operators alone publish
   * there. The same queue group.
   */
  readonly install: string
  /**
   * For a lost history that hosts give back: a subject of its own, so that NATS lets hosts alone publish
   * there. The same queue group.
   */
  readonly teach: string
  /** Those who look at the rollout ask here; every host listens. */
  readonly look: string
  /** The subject of the reports to one viewer. */
  looker(looker: string): string
}

export const serviceQueue = 'serving'
export const serverQueue = 'servers'

/** Of the system that was asked for last: a process has one as a rule. */
let latest: { readonly system: string; readonly subjects: Subjects } | undefined

export function subjectsOf(system: string): Subjects {
  if (latest?.system !== system) latest = { system, subjects: allSubjects(`theseus.${system}`) }
  return latest.subjects
}

/** The beginning of all subjects of a system. */
export function subjectsUnder(system: string): string {
  return `theseus.${token('a system', system)}.`
}

function allSubjects(prefix: string): Subjects {
  return {
    node: (nodeId) => `${prefix}.node.${token('a node id', nodeId)}`,
    shard: (service, shard, nodeId) => `${prefix}.shard.${token('a service', service)}.${shard}.${token('a node id', nodeId)}`,
    wholeShard: (service, shard) => `${prefix}.shard.${token('a service', service)}.${shard}.*`,
    shardArrivals: (service, shard) => `${prefix}.arrivals.shard.${token('a service', service)}.${shard}`,
    hostArrivals: (service, hostId) => `${prefix}.arrivals.host.${token('a service', service)}.${token('a host', hostId)}`,
    offers: `${prefix}.offers`,
    service: (service) => `${prefix}.service.${token('a service', service)}`,
    services: `${prefix}.service.`,
    event: (name) => `${prefix}.event.${token('an event', name)}`,
    introduced: `${prefix}.event._introduced`,
    announcements: `${prefix}.upgrades`,
    server: `${prefix}.server`,
    install: `${prefix}.install`,
    teach: `${prefix}.teach`,
    look: `${prefix}.look`,
    looker: (looker) => `${prefix}.looker.${token('a looker', looker)}`,
  }
}

/**
 * The beginning of inboxes, in every library of NATS, and of what NATS puts in their place towards another
 * account (`_INBOX`, `_R_`).
 */
const inboxSign = '_'

/** The beginning of the inboxes of a caller with a name: the broker lets nobody else listen there. */
export function inboxOf(caller: string): string {
  return `_INBOX.${token('a caller', caller)}.`
}

/** Where NATS takes answers for a caller of another account: it alone knows whose these are. */
export const brokersInboxes = '_R_.'

/**
 * Whether answers may go there. A caller chooses where it is answered, and the answer leaves
 * with the rights of this host: it must reach nothing that takes calls, events or questions, of
 * this system, another one, or NATS itself.
 */
export function isInbox(subject: string): boolean {
  return subject.startsWith(inboxSign) && isPublishable(subject)
}

/**
 * Of a message that is not carried out: what it asks for could be answered by nobody, or by
 * somebody who was not asked.
 */
export function notAnInbox(replyTo: string): Fault {
  const shown = JSON.stringify(replyTo.slice(0, nameLengthMax))
  return new Fault(
    'protocol.bad-envelope',
    `the answer is to go to ${shown}, which is no inbox: use a reply subject like _INBOX.1`,
  )
}

const shownLengthMax = 80

function token(what: string, name: unknown): string {
  if (isName(name)) return name
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, shownLengthMax)) : `of type ${typeof name}`
  const advice = `use 1 to ${nameLengthMax} letters, digits, - and _, beginning with a letter or digit`
  throw new Fault('protocol.bad-arguments', `${shown} is not the name of ${what}: ${advice}`)
}

/** Whether calls there go to a node of a sharded service. */
export function isOfShard(subject: string): boolean {
  return subject.split('.', 3)[2] === 'shard'
}

/** Where the same node is called while it lives on a host; undefined for a subject of no shard. */
export function localSubjectOf(subject: string): string | undefined {
  const [theseus, system, kind, , , nodeId] = subject.split('.')
  return kind === 'shard' && nodeId !== undefined ? `${theseus}.${system}.node.${nodeId}` : undefined
}
