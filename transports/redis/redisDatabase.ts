/**
 * The upgrade database in Redis. docs/redis.md gives each key, and whether it is authority or
 * rebuilt by the nodes.
 */

import { checkName, type Version } from '../../core/base/ids.js'
import { type AuditBounds, type AuditHead, auditKept } from '../../core/control/audit.js'
import type { Control, ControlName, Going } from '../../core/control/control.js'
import type { Directed, Directive, DirectiveLog } from '../../core/control/directive.js'
import type { Session, Standing } from '../../core/control/standing.js'
import type {
  Death,
  Head,
  Heard,
  PermitAnswer,
  RegisterAnswer,
  ServerRow,
  StoredLevel,
  UpgradeDatabase,
} from '../../core/control/upgradeDatabase.js'
import type { NodeRow, NodeStatus } from '../../core/model/nodeRow.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { Signed } from '../../core/trust/signed.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import type { UdbFactory } from '../udbFactory.js'
import { appendAudit, auditHead, readAudit } from './redisAudit.js'
import { RedisConnection } from './redisConnection.js'
import { RedisControls } from './redisControls.js'
import { RedisDeaths } from './redisDeaths.js'
import { RedisDirectives } from './redisDirectives.js'
import { RedisHistory } from './redisHistory.js'
import { keysOf, type RedisKeys } from './redisKeys.js'
import { RedisPermits } from './redisPermits.js'
import { RedisRegistrations } from './redisRegistrations.js'
import { placeOf, type RedisSettings } from './redisSettings.js'
import { RedisTables } from './redisTables.js'

/**
 * The upgrade database in Redis 6.2 or newer: a URL (`redis://…`, `redis-sentinel://…/name`,
 * `redis-cluster://…`; `rediss…` for TLS), or the same as settings. Each method answers or rejects within
 * about two seconds, and one more where it waits for replicas. Redis should keep its data
 * (`appendonly yes`): it holds the history of upgrades.
 */
export function redis(settings: string | RedisSettings = {}): UdbFactory {
  return redisKeeping(auditKept, settings)
}

/** The same with other bounds of the audit. */
export function redisKeeping(audit: AuditBounds, settings: string | RedisSettings): UdbFactory {
  // Checked here, where the setting is written, and not only when the host starts.
  const { isPrivate } = placeOf(settings)
  return {
    facts: { isEncrypted: isPrivate, howToEncrypt: 'give a rediss:// URL, or redis({ tls: {} })', secretFiles: [] },
    async open(system, _clock, tell) {
      checkName('system', system)
      return new RedisDatabase(await RedisConnection.open(settings, system), keysOf(system), audit, tell)
    },
  }
}

class RedisDatabase implements UpgradeDatabase {
  readonly #history: RedisHistory
  readonly #registrations: RedisRegistrations
  readonly #permits: RedisPermits
  readonly #controls: RedisControls
  readonly #directives: RedisDirectives
  readonly #tables: RedisTables
  readonly #deaths: RedisDeaths

  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: RedisKeys,
    private readonly auditBounds: AuditBounds,
    tell?: (message: string) => void,
  ) {
    this.#history = new RedisHistory(redis, keys, tell)
    this.#registrations = new RedisRegistrations(redis, keys)
    this.#permits = new RedisPermits(redis, keys)
    this.#controls = new RedisControls(redis, keys, tell)
    this.#directives = new RedisDirectives(redis, keys)
    this.#tables = new RedisTables(redis, keys)
    this.#deaths = new RedisDeaths(redis, keys)
  }

  head(): Promise<Head> {
    return this.#history.head()
  }

  manifests(from: Version, to: Version): Promise<readonly SignedManifest[]> {
    return this.#history.manifests(from, to)
  }

  install(...args: Parameters<UpgradeDatabase['install']>): Promise<boolean> {
    return this.#history.install(...args)
  }

  async level(): Promise<StoredLevel | null> {
    return (await this.#registrations.readers()).level
  }

  restoreLevel(level: StoredLevel, wrong?: StoredLevel): Promise<void> {
    return this.#registrations.restoreLevel(level, wrong)
  }

  putChunk(...args: Parameters<UpgradeDatabase['putChunk']>): Promise<boolean> {
    return this.#history.putChunk(...args)
  }

  bundleWrites(digest: string): Promise<number> {
    return this.#history.bundleWrites(digest)
  }

  keepBundle(digest: string): Promise<void> {
    return this.#history.keepBundle(digest)
  }

  getChunk(digest: string, index: number): Promise<Uint8Array | undefined> {
    return this.#history.getChunk(digest, index)
  }

  unreplicated(): Promise<string | undefined> {
    return this.redis.unreplicated()
  }

  register(status: NodeStatus, leaseMs: number, session?: Session): Promise<RegisterAnswer> {
    return this.#registrations.register(status, leaseMs, session)
  }

  report(statuses: readonly NodeStatus[], leaseMs: number, session?: Session): Promise<Heard> {
    return this.#registrations.report(statuses, leaseMs, session)
  }

  renew(nodeIds: readonly string[], leaseMs: number, session?: Session): Promise<Heard> {
    return this.#registrations.renew(nodeIds, leaseMs, session)
  }

  reportGone(nodeIds: readonly string[], session: Session): Promise<void> {
    return this.#registrations.gone(nodeIds, session)
  }

  forget(nodeId: string): Promise<void> {
    return this.#registrations.forget(nodeId)
  }

  nodes(service?: string): Promise<readonly NodeRow[]> {
    return this.#registrations.nodes(service)
  }

  standing(): Promise<Standing | undefined> {
    return this.#registrations.standing()
  }

  attend(session: Session): Promise<Standing> {
    return this.#registrations.attend(session)
  }

  async servers(): Promise<readonly ServerRow[]> {
    return (await this.#registrations.readers()).servers
  }

  doubt(session: Session): Promise<void> {
    return this.#registrations.doubt(session)
  }

  claimPermit(service: string, going: Going, limit: ServiceLimit, by?: Session): Promise<PermitAnswer> {
    return this.#permits.claim(service, going, limit, by)
  }

  releasePermit(service: string, nodeId: string, by?: Session): Promise<void> {
    return this.#permits.release(service, nodeId, by)
  }

  restorePermit(service: string, nodeId: string, by?: Session): Promise<boolean> {
    return this.#permits.restore(service, nodeId, by)
  }

  controls(): Promise<readonly Control[]> {
    return this.#controls.controls()
  }

  setControl(control: Control): Promise<void> {
    return this.#controls.setControl(control)
  }

  removeControl(name: ControlName): Promise<boolean> {
    return this.#controls.removeControl(name)
  }

  directives(): Promise<number> {
    return this.#directives.directives()
  }

  directiveLog(doubt?: DirectiveLog | 'lost'): Promise<DirectiveLog> {
    return this.#directives.directiveLog(doubt)
  }

  direct(directive: Directive, signed: Signed, head: Head): Promise<Directed> {
    return this.#directives.direct(directive, signed, head)
  }

  recentDirectives(): Promise<readonly Signed[]> {
    return this.#directives.recentDirectives()
  }

  auditHead(): Promise<AuditHead> {
    return auditHead(this.redis, this.keys)
  }

  appendAudit(newest: AuditHead, bytes: Uint8Array, entry: { readonly hash: string; readonly log: string }): Promise<boolean> {
    return appendAudit(this.redis, this.keys, newest, bytes, entry, this.auditBounds)
  }

  audit(from: number, to: number): Promise<readonly Uint8Array[]> {
    return readAudit(this.redis, this.keys, from, to)
  }

  table(name: string): Promise<ReadonlyMap<string, string>> {
    return this.#tables.table(name)
  }

  setInTable(name: string, key: string, value: string): Promise<void> {
    return this.#tables.setInTable(name, key, value)
  }

  removeFromTable(name: string, key: string): Promise<boolean> {
    return this.#tables.removeFromTable(name, key)
  }

  tables(): Promise<readonly string[]> {
    return this.#tables.tables()
  }

  dead(): Promise<Death> {
    return this.#deaths.dead()
  }

  declareDead(below: Version, delayMs: number): Promise<Death> {
    return this.#deaths.declareDead(below, delayMs)
  }

  restoreEnded(versions: { readonly dead: Version; readonly final: Version }): Promise<void> {
    return this.#deaths.restoreEnded(versions)
  }

  finalized(): Promise<Version> {
    return this.#deaths.finalized()
  }

  finalize(version: Version): Promise<Version> {
    return this.#deaths.finalize(version)
  }

  close(): Promise<void> {
    return this.redis.close()
  }
}
