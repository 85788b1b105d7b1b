/** Every subject of the wire, in one place (DESIGN §4, docs/protocol.md). */
export interface Subjects {
  /** Calls to one node. */
  node(nodeId: string): string
  /** Calls to any node of a service: a queue group that a node leaves while it does not serve. */
  service(service: string): string
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
    node: (nodeId) => `${prefix}.node.${nodeId}`,
    service: (service) => `${prefix}.service.${service}`,
    event: (name) => `${prefix}.event.${name}`,
    introduced: `${prefix}.event._introduced`,
    announcements: `${prefix}.upgrades`,
    server: `${prefix}.server`,
    install: `${prefix}.install`,
    look: `${prefix}.look`,
    looker: (looker) => `${prefix}.looker.${looker}`,
  }
}
