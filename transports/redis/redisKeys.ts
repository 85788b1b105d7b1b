import { formats } from '../../core/base/formats.js'

/**
 * The number of this layout, kept in `head`. 1 is that of release 0.1.0, which writes no
 * number. A change that an older release would misread gets a new number: a release reads those
 * up to its own, and refuses a newer one.
 */
export const redisLayout = formats.layout.newest

/**
 * Every key of Redis, in one place (docs/redis.md). The hash tag puts all keys of a system into
 * one slot of a Redis Cluster.
 */
export interface RedisKeys {
  /** Hash: `version` and `digest` of the newest manifest, and the number of the `layout`. */
  readonly head: string
  /** Hash: version → the manifest's bytes as they were signed. */
  readonly manifests: string
  /** Hash: version → the signature over them; none where the manifest is not signed. */
  readonly signatures: string
  /** Hash: chunk index → bytes. */
  bundle(digest: string): string
  /** The keys that the scripts about nodes are given, always whole and in this order. */
  readonly nodes: readonly [
    /** Hash: node id → `<service>/<directory id>`, the latter empty for a node without a directory. */
    registrations: string,
    /** Hash: node id → the row, in JSON. */
    rows: string,
    /** Sorted set of `<service>/<node id>`, all of score 0: who is registered, by service. */
    members: string,
    /** Sorted set: node id → when its lease runs out. */
    leases: string,
    /** The same, of those nodes without a directory that are in `members`. */
    transient: string,
    /** Sorted set of `<service>/<node id>`, all of score 0: who holds a slot, by service. */
    slots: string,
  ]
  /** Hash: the key of a control (`pause/3`) → the control, in JSON. */
  readonly controls: string
  /**
   * List: the newest directives, JSON of two texts in base64, the document and its signature or
   * null, and the result.
   */
  readonly directives: string
  /** String: how many directives there have been. */
  readonly directiveCount: string
  /**
   * Hash: `id` of the log of directives, `run`, the Redis process that opened it, and `since`
   * when it has been one.
   */
  readonly directiveLog: string
  /** List: the entries of the audit, oldest first. */
  readonly audit: string
  /**
   * Hash: `number`, `hash` and `log` of the newest entry, the number of the `first` that is
   * kept, and the `bytes` of all.
   */
  readonly auditHead: string
  /** Hash: key → value of one upgrade-specific table. */
  table(name: string): string
  /** Set: the names of the tables that have entries. */
  readonly tables: string
  /** Hash: `below` and `sinceMs` of the death in force; none while nothing is dead. */
  readonly dead: string
  /** String: the newest version from which nobody goes back. */
  readonly final: string
}

export function keysOf(system: string): RedisKeys {
  const key = (name: string) => `theseus:{${system}}:${name}`
  return {
    head: key('head'),
    manifests: key('manifests'),
    signatures: key('signatures'),
    bundle: (digest) => key(`bundle:${digest}`),
    nodes: [key('registrations'), key('rows'), key('members'), key('leases'), key('transient'), key('slots')],
    table: (name) => key(`table:${name}`),
    controls: key('controls'),
    directives: key('directives'),
    directiveCount: key('directiveCount'),
    directiveLog: key('directiveLog'),
    audit: key('audit'),
    auditHead: key('auditHead'),
    tables: key('tables'),
    dead: key('dead'),
    final: key('final'),
  }
}
