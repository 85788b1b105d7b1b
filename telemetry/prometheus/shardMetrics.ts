/** The metrics of the sharded services that a host offers, out of its status. */
import type { OfferSnapshot } from '../../core/inspection/hostStatus.js'

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ShardMetric {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly samples: (offer: OfferSnapshot) => readonly Sample[]
}

function ofService(kind: ShardMetric['kind'], name: string, help: string, value: (offer: OfferSnapshot) => number): ShardMetric {
  const samples = (offer: OfferSnapshot) => [{ labels: { service: offer.service }, value: value(offer) }]
  return { kind, name, help, labels: ['service'], samples }
}

export const shardMetrics: readonly ShardMetric[] = [
  ofService('gauge', 'theseus_shards', 'Shards that the service has, on all hosts together.', ({ shards }) => shards),
  ofService('gauge', 'theseus_shards_owned', 'Shards that this host has.', ({ owned }) => owned.length),
  ofService('gauge', 'theseus_shards_failed', "Shards whose logs this host can't use.", ({ failed }) => failed.length),
  ofService('gauge', 'theseus_shards_offered', 'Whether this host takes shards of the service now.', ({ waits }) =>
    waits === null ? 1 : 0,
  ),
  ofService(
    'gauge',
    'theseus_shard_nodes_awake',
    "Nodes of this host's shards that have an object in memory.",
    ({ awake }) => awake,
  ),
  {
    kind: 'counter',
    name: 'theseus_shard_changes_total',
    help: 'Shards that came to this host, and left it, by how.',
    labels: ['service', 'change'],
    samples: ({ service, counts: { claimed, takenOver, handedOver, lost } }) =>
      Object.entries({ claimed, taken_over: takenOver, handed_over: handedOver, lost }).map(([change, value]) => ({
        labels: { service, change },
        value,
      })),
  },
  ofService(
    'counter',
    'theseus_shard_lease_lapses_total',
    'How often a shard of this host was silent, since nothing could be appended to its log.',
    ({ counts }) => counts.lapses,
  ),
  ofService('counter', 'theseus_shard_commits_total', 'Commits to the logs of shards.', ({ counts }) => counts.commits),
  ofService(
    'counter',
    'theseus_shard_commit_bytes_total',
    'Bytes of keys and values in commits to the logs of shards.',
    ({ counts }) => counts.bytes,
  ),
]
