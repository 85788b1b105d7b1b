/**
 * The names of the streams and subjects in which logs and snapshots are kept. `+` parts the names in a
 * stream's name: a name can't hold it, so no two shards share a stream.
 */
import { Fault } from '../../core/base/fault.js'
import { checkName } from '../../core/base/ids.js'

export interface StreamNames {
  readonly stream: string
  /** Of all that is in the stream. */
  readonly subject: string
}

/** One stream for each shard: its last sequence is the end of the shard's log. */
export function logNames(system: string, service: string, shard: number): StreamNames {
  const parts = [...owner(system, service), checkShard(shard)]
  return { stream: ['theseus-log', ...parts].join('+'), subject: ['theseus-log', ...parts].join('.') }
}

/** The subjects of the logs of all shards of a service; and the shard whose stream is called so. */
export function logsOf(
  system: string,
  service: string,
): { readonly subject: string; shardOf(stream: string): number | undefined } {
  const parts = ['theseus-log', ...owner(system, service)]
  const before = `${parts.join('+')}+`
  return {
    subject: [...parts, '*'].join('.'),
    shardOf: (stream) =>
      stream.startsWith(before) && /^\d+$/.test(stream.slice(before.length)) ? Number(stream.slice(before.length)) : undefined,
  }
}

/** One stream for the snapshots of all shards of a service. */
export function snapshotNames(system: string, service: string): StreamNames {
  const parts = owner(system, service)
  return { stream: ['theseus-snap', ...parts].join('+'), subject: ['theseus-snap', ...parts, '>'].join('.') }
}

/** The beginning of the subjects of one shard's snapshots. */
export function snapshotsUnder(system: string, service: string, shard: number): string {
  return ['theseus-snap', ...owner(system, service), checkShard(shard)].join('.')
}

function owner(system: string, service: string): readonly string[] {
  return [checkName('system', system), checkName('service', service)]
}

function checkShard(shard: number): string {
  if (Number.isSafeInteger(shard) && shard >= 0) return String(shard)
  throw new Fault('config.invalid', `shard ${shard}: use a whole number, 0 or more`)
}
