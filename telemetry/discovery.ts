/**
 * NATS service discovery (ADR-32 of NATS): a host answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, so that
 * `nats micro ls` lists the hosts of all systems, and `nats micro info theseus-<system>` the services of one.
 * The services are called by docs/protocol.md, not by micro.
 */

import { softwareVersion } from '../core/base/softwareVersion.js'
import type { HostStatus, NodeSnapshot } from '../core/inspection/hostStatus.js'
import type { Subscription, Transport } from '../core/ports/transport.js'
import type { Trusts } from '../core/trust/trustMark.js'
import { isInbox, serviceQueue, subjectsOf } from '../core/wire/subjects.js'

const verbs = ['PING', 'INFO', 'STATS'] as const
type Verb = (typeof verbs)[number]

export interface DiscoveredHost {
  readonly transport: Transport
  readonly status: () => HostStatus
  /** Milliseconds since 1970. */
  readonly startedMs: number
}

/** Returns what ends it. */
export function answerDiscovery(host: DiscoveredHost): () => Promise<void> {
  const { system, hostId } = host.status()
  const name = `theseus-${system}`
  const subscriptions: Subscription[] = []
  for (const verb of verbs) {
    for (const suffix of ['', `.${name}`, `.${name}.${hostId}`]) {
      const answer = ({ replyTo }: { readonly replyTo: string | undefined }) => {
        if (replyTo === undefined || !isInbox(replyTo)) return
        try {
          host.transport.publish(replyTo, new TextEncoder().encode(JSON.stringify(answerOf(verb, name, host))))
        } catch {
          // The asker may ask again.
        }
      }
      subscriptions.push(host.transport.subscribe(`$SRV.${verb}${suffix}`, answer, { isOptional: true }))
    }
  }
  return async () => {
    await Promise.all(subscriptions.map((subscription) => subscription.drain()))
  }
}

/** Subjects that an answer names. */
const refusedMax = 16

function answerOf(verb: Verb, name: string, { status, startedMs }: DiscoveredHost): object {
  const { system, hostId, nodes, newestVersion, refused, trust } = status()
  // Subjects have no spaces in them.
  const deaf = refused.length === 0 ? {} : { refused: refused.slice(0, refusedMax).join(' ') }
  const metadata = { system, newestVersion: String(newestVersion), ...deaf, ...(trust === undefined ? {} : trustMetadata(trust)) }
  const identity = { name, id: hostId, version: softwareVersion, metadata }
  const services = Map.groupBy(nodes, ({ service }) => service)
  const { service: subjectOf } = subjectsOf(system)
  switch (verb) {
    case 'PING':
      return { type: 'io.nats.micro.v1.ping_response', ...identity }
    case 'INFO':
      return {
        type: 'io.nats.micro.v1.info_response',
        ...identity,
        description: `a host of the Theseus system ${system}`,
        endpoints: [...services].map(([service, of]) => ({
          name: service,
          subject: subjectOf(service),
          queue_group: serviceQueue,
          metadata: { nodes: String(of.length), versions: versionsOf(of) },
        })),
      }
    case 'STATS':
      return {
        type: 'io.nats.micro.v1.stats_response',
        ...identity,
        started: new Date(startedMs).toISOString(),
        endpoints: [...services].map(([service, of]) => {
          const failed = sum(of, (node) => node.failed)
          return {
            name: service,
            subject: subjectOf(service),
            queue_group: serviceQueue,
            num_requests: failed + sum(of, (node) => node.answered + node.expired),
            num_errors: failed,
            // Not measured here: the duration of each call is the metrics' affair.
            processing_time: 0,
            average_processing_time: 0,
          }
        }),
      }
  }
}

/** Metadata are texts. */
function trustMetadata({ mark: { keys, root }, isSaid }: Trusts): Record<string, string> {
  return { trust: keys, ...(root === null ? {} : { trustRoot: root }), ...(isSaid ? {} : { trustIsSaid: 'no' }) }
}

function versionsOf(nodes: readonly NodeSnapshot[]): string {
  return [...new Set(nodes.map(({ version }) => version))].sort((a, b) => a - b).join(', ')
}

function sum(nodes: readonly NodeSnapshot[], of: (node: NodeSnapshot) => number): number {
  return nodes.reduce((total, node) => total + of(node), 0)
}
