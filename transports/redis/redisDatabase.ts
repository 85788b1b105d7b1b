/**
 * The upgrade database in Redis. docs/redis.md gives each key, and whether it is authority or
 * rebuilt by the nodes.
 */

import { Fault } from '../../core/base/fault.js'
import { checkName, isVersion, nameLengthMax, type Version } from '../../core/base/ids.js'
import type { AuditHead } from '../../core/control/audit.js'
import { type Control, type ControlName, checkControl, controlKey, type Going, isControl } from '../../core/control/control.js'
import {
  type Directed,
  type Directive,
  type DirectiveLog,
  firstDirectiveFormat,
  type Order,
  type WhyNotDirected,
} from '../../core/control/directive.js'
import type { Doubt, Session, Standing } from '../../core/control/standing.js'
import {
  checkDeath,
  type Death,
  type Head,
  type Heard,
  nothingDead,
  type RegisterAnswer,
  type SlotAnswer,
  type UpgradeDatabase,
} from '../../core/control/upgradeDatabase.js'
import type { NodeRow, NodeStatus } from '../../core/model/nodeRow.js'
import { checkTable, checkTables, type TableEntries } from '../../core/model/tables.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { Signed } from '../../core/trust/signed.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { tooMuchStaged, type UdbFactory } from '../udbFactory.js'
import { appendAudit, auditHead, readAudit } from './redisAudit.js'
import { addressOf, isPrivate, RedisConnection, type RedisSettings } from './redisConnection.js'
import { keysOf, type RedisKeys, redisLayout } from './redisKeys.js'
import { decodeRow, encodeRow } from './redisRows.js'

/**
 * Nodes that one script treats: 10,000 nodes are twenty short scripts, and other hosts'
 * commands get in between.
 */
const nodesPerScript = 500
/** Manifests read at once: of their usual size, some 100 KB. */
const manifestsPerRead = 32

/** So many different things that make no sense are told of. */
const ignoredMax = 64

/** How the claim script is told that a part of a limit is not given. */
const unlimited = -1

/**
 * The upgrade database in Redis 6.2 or newer: a URL (`redis://…`, or `rediss://…` for TLS), or host and port.
 * Each method answers or rejects within about two seconds. Redis should keep its data (`appendonly yes`): it
 * holds the history of upgrades.
 */
export function redis(settings: string | RedisSettings = {}): UdbFactory {
  // Checked here, where the setting is written, and not only when the host starts.
  addressOf(settings)
  return {
    facts: { isEncrypted: isPrivate(settings), howToEncrypt: 'give a rediss:// URL, or redis({ tls: {} })', secretFiles: [] },
    async open(system, _clock, tell) {
      checkName('system', system)
      return new RedisDatabase(await RedisConnection.open(settings, `theseus:${system}`), keysOf(system), tell)
    },
  }
}

/** Throws for a layout of a later release: whoever reads on would misunderstand it. */
function checkLayout(layout: string | null, key: string): void {
  if (layout === null || (/^\d{1,9}$/.test(layout) && Number(layout) <= redisLayout)) return
  const message = `Redis has layout ${layout.slice(0, 20)} (${key}), and this release of Theseus reads up to ${redisLayout}`
  throw new Fault('config.layout', `${message}: use a release that knows it`)
}

class RedisDatabase implements UpgradeDatabase {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: RedisKeys,
    private readonly tell: (message: string) => void = () => {},
  ) {}

  readonly #told = new Set<string>()

  async head(): Promise<Head> {
    const [text, digest, layout] = await this.redis.call((client) => client.hmget(this.keys.head, 'version', 'digest', 'layout'))
    checkLayout(layout ?? null, this.keys.head)
    if (typeof text !== 'string') return { version: 0, digest: null }
    const version = Number(text)
    // Version 0 in its place would let the whole history be installed anew.
    if (!isVersion(version) || typeof digest !== 'string')
      throw new Fault('upgrade.invalid', `Redis key ${this.keys.head} holds no version and digest`)
    return { version, digest }
  }

  async manifests(from: Version, to: Version): Promise<readonly SignedManifest[]> {
    const found: SignedManifest[] = []
    const last = Math.min(to, (await this.head()).version)
    for (let first = Math.max(from, 1); first <= last; first += manifestsPerRead) {
      const versions = Array.from({ length: Math.min(manifestsPerRead, last - first + 1) }, (_, i) => first + i)
      const [bytes, signatures] = await Promise.all([
        this.#read(this.keys.manifests, versions),
        this.#read(this.keys.signatures, versions),
      ])
      for (const [i, manifest] of bytes.entries()) {
        if (manifest === null) return found
        const signature = signatures[i] ?? null
        found.push({ bytes: new Uint8Array(manifest), signature: signature && new Uint8Array(signature) })
      }
    }
    return found
  }

  #read(key: string, versions: readonly Version[]): Promise<(Buffer | null)[]> {
    return this.redis.call((client) => client.hmgetBuffer(key, ...versions.map(String)))
  }

  async install(
    expected: Head,
    digest: string,
    manifest: SignedManifest,
    tables: TableEntries = {},
    undoes: Version | null = null,
    bundle: string | null = null,
    writes: number | null = null,
  ): Promise<boolean> {
    const { head, manifests, signatures, final } = this.keys
    checkTables(tables)
    const entries = Object.entries(tables).flatMap(([name, table]) =>
      Object.entries(table).map(([key, value]) => [name, key, value] as const),
    )
    const keys = [head, manifests, signatures, this.keys.tables, final, this.keys.bundle(bundle ?? '')]
    const installed = await this.redis.run(
      'theseusInstall',
      [...keys, ...entries.map(([name]) => this.keys.table(name))],
      expected.version,
      expected.digest ?? '',
      expected.version + 1,
      digest,
      bufferOf(manifest.bytes),
      manifest.signature === null ? '' : bufferOf(manifest.signature),
      undoes ?? '',
      bundle ?? '',
      writes ?? '',
      ...entries.flat(),
    )
    return installed === 1
  }

  async putChunk(
    digest: string,
    index: number,
    bytes: Uint8Array,
    as: 'staged' | 'kept' = 'staged',
    writes: number | null = null,
  ): Promise<boolean> {
    const keys = [this.keys.head, this.keys.bundle(digest)]
    const answer = await this.redis.run('theseusPutChunk', keys, digest, index, bufferOf(bytes), as, writes ?? '')
    const [outcome, bundles, total] = answer as [number, number, number]
    if (outcome === 0) throw tooMuchStaged(bundles, total)
    return outcome === 1
  }

  async bundleWrites(digest: string): Promise<number> {
    return Number((await this.redis.call((client) => client.hget(this.keys.bundle(digest), 'writes'))) ?? 0)
  }

  async keepBundle(digest: string): Promise<void> {
    await this.redis.run('theseusKeepBundle', [this.keys.head, this.keys.bundle(digest)], digest)
  }

  async getChunk(digest: string, index: number): Promise<Uint8Array | undefined> {
    const found = await this.redis.call((client) => client.hgetBuffer(this.keys.bundle(digest), String(index)))
    return found === null ? undefined : new Uint8Array(found)
  }

  async register(status: NodeStatus, leaseMs: number, session?: Session): Promise<RegisterAnswer> {
    const { nodeId, service, directoryId } = status
    const row = encodeRow(status)
    const args = [nodeId, service, directoryId ?? '', row, leaseMs, ...argumentsOf(session)]
    const answer = await this.redis.run('theseusRegister', this.keys.nodes, ...args)
    const [registered, first, hostId, leftMs, standing] = answer as [number, string, string, number, StandingAnswer]
    const rest = standingOf(standing)
    if (registered === 0) return { registered: false, directoryId: first, ...(hostId === '' ? {} : { hostId }), ...rest }
    return { registered: true, ...(first === '' ? {} : { predecessor: { session: first, hostId, leftMs } }), ...rest }
  }

  async report(statuses: readonly NodeStatus[], leaseMs: number, session?: Session): Promise<Heard> {
    const answers = await inParts(statuses, (part) => {
      const rows = part.flatMap((status) => {
        const { nodeId, service, directoryId } = status
        return [nodeId, registeredMs(nodeId, session), `${service}/${directoryId ?? ''}`, encodeRow(status)]
      })
      return this.redis.run('theseusReport', this.keys.nodes, leaseMs, ...argumentsOf(session), ...rows)
    })
    return heardOf(answers as readonly HeardAnswer[])
  }

  async renew(nodeIds: readonly string[], leaseMs: number, session?: Session): Promise<Heard> {
    const answers = await inParts(nodeIds, (part) => {
      const nodes = part.flatMap((nodeId) => [nodeId, registeredMs(nodeId, session)])
      return this.redis.run('theseusRenew', this.keys.nodes, leaseMs, ...argumentsOf(session), ...nodes)
    })
    return heardOf(answers as readonly HeardAnswer[])
  }

  async gone(nodeIds: readonly string[], { id }: Session): Promise<void> {
    await inParts(nodeIds, (part) => this.redis.run('theseusGone', this.keys.nodes, id, ...part))
  }

  async standing(): Promise<Standing | undefined> {
    const answer = await this.redis.read(['theseusStanding', 'theseusStanding'], this.keys.nodes)
    return standingOf(answer as StandingAnswer).standing
  }

  async attend(session: Session): Promise<Standing> {
    const answer = await this.redis.run('theseusAttend', this.keys.nodes, ...argumentsOf(session))
    return standingOf(answer as StandingAnswer).standing!
  }

  async doubt(session: Session): Promise<void> {
    await this.redis.run('theseusDoubt', this.keys.nodes, ...argumentsOf(session))
  }

  async forget(nodeId: string): Promise<void> {
    await this.redis.run('theseusForget', this.keys.nodes, nodeId, this.keys.controls)
  }

  async nodes(service?: string): Promise<readonly NodeRow[]> {
    const answer = (await this.redis.read(['theseusNodes', 'theseusReadNodes'], this.keys.nodes, [service ?? ''])) as (
      | string
      | number
    )[]
    const rows: NodeRow[] = []
    for (let i = 0; i < answer.length; i += 2) {
      const status = decodeRow(String(answer[i]))
      if (status !== undefined) rows.push({ ...status, alive: answer[i + 1] === 1 })
    }
    return rows.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }

  async claimSlot(
    service: string,
    { nodeId, version, isUndo }: Going,
    { nodes, percent }: ServiceLimit,
    by?: Session,
  ): Promise<SlotAnswer> {
    const limits = [nodes ?? unlimited, percent ?? unlimited]
    const going = [nodeId, version, isUndo ? 1 : 0]
    const { nodes: keys, controls } = this.keys
    const answer = await this.redis.run('theseusClaim', keys, controls, service, ...going, ...limits, ...argumentsOf(by))
    const [claimed, ...rest] = answer as [number, ...string[]]
    if (claimed === 1) return { claimed: true }
    if (claimed === 0) return { claimed: false, heldBy: rest }
    if (claimed === 3) return { claimed: false, onProbation: true }
    if (claimed === 4) return { claimed: false, isElsewhere: true }
    // A control that can't be read holds all the same.
    const control = controlOf(rest[0]!)
    return control === undefined ? { claimed: false, heldBy: [] } : { claimed: false, control }
  }

  async controls(): Promise<readonly Control[]> {
    const entries = Object.entries(await this.redis.call((client) => client.hgetall(this.keys.controls)))
    return entries.flatMap(([field, text]) => {
      const control = controlOf(text)
      if (control !== undefined && controlKey(control) === field) return [control]
      this.#ignore(`field ${field.slice(0, nameLengthMax)} of Redis key ${this.keys.controls} holds no control of this name`)
      return []
    })
  }

  /** Told once. */
  #ignore(what: string): void {
    if (this.#told.has(what) || this.#told.size >= ignoredMax) return
    this.#told.add(what)
    this.tell(`${what}: ignored, until it is repaired or removed`)
  }

  async setControl(control: Control): Promise<void> {
    checkControl(control)
    await this.redis.call((client) => client.hset(this.keys.controls, controlKey(control), JSON.stringify(control)))
  }

  async removeControl(name: ControlName): Promise<boolean> {
    return (await this.redis.call((client) => client.hdel(this.keys.controls, controlKey(name)))) === 1
  }

  async releaseSlot(service: string, nodeId: string, by?: Session): Promise<void> {
    await this.redis.run('theseusReleaseSlot', this.keys.nodes, service, nodeId, ...argumentsOf(by))
  }

  async restoreSlot(service: string, nodeId: string, by?: Session): Promise<boolean> {
    return (await this.redis.run('theseusRestoreSlot', this.keys.nodes, service, nodeId, ...argumentsOf(by))) === 1
  }

  async directives(): Promise<number> {
    return Number((await this.redis.call((client) => client.get(this.keys.directiveCount))) ?? '0')
  }

  async directiveLog(doubt?: DirectiveLog | 'lost'): Promise<DirectiveLog> {
    const { nodes, directiveCount, directiveLog } = this.keys
    const seen = doubt === 'lost' ? ['*', 0] : [doubt?.id ?? '', doubt?.count ?? 0]
    const keys = [...nodes, directiveCount, directiveLog]
    const [id, count] = (await this.redis.run('theseusDirectiveLog', keys, ...seen)) as [string, number]
    return { id, count }
  }

  async direct(directive: Directive, { bytes, signature }: Signed, head: Head): Promise<Directed> {
    const { nodes, controls, tables, final, directives, directiveCount, directiveLog } = this.keys
    const { what, number, createdAt } = directive
    const entries = 'table' in what ? this.keys.table(what.table) : tables
    const named = directive.format === firstDirectiveFormat ? ['', ''] : [directive.head ?? '', directive.log]
    const order = orderArguments(what)
    const answer = (await this.redis.run(
      'theseusDirect',
      [...nodes, controls, tables, entries, this.keys.head, final, directives, directiveCount, directiveLog],
      ...[number, head.digest ?? '', ...named, Date.parse(createdAt) || 0],
      ...[text(bytes), signature === null ? 'null' : `"${text(signature)}"`, ...order],
    )) as [number, string, string, number, string?]
    if (answer[0] === 1) return { done: true, result: JSON.parse(answer[1]) }
    const [, why, id, count, earlier] = answer
    return {
      done: false,
      why: why as WhyNotDirected,
      log: { id, count },
      earlier: earlier === undefined ? undefined : { result: JSON.parse(earlier) },
    }
  }

  async recentDirectives(): Promise<readonly Signed[]> {
    const kept = await this.redis.call((client) => client.lrange(this.keys.directives, 0, -1))
    return kept.map(keptDirective)
  }

  auditHead(): Promise<AuditHead> {
    return auditHead(this.redis, this.keys)
  }

  appendAudit(newest: AuditHead, bytes: Uint8Array, entry: { readonly hash: string; readonly log: string }): Promise<boolean> {
    return appendAudit(this.redis, this.keys, newest, bytes, entry)
  }

  audit(from: number, to: number): Promise<readonly Uint8Array[]> {
    return readAudit(this.redis, this.keys, from, to)
  }

  async table(name: string): Promise<ReadonlyMap<string, string>> {
    checkTable(name)
    const entries = await this.redis.call((client) => client.hgetall(this.keys.table(name)))
    return new Map(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async setInTable(name: string, key: string, value: string): Promise<void> {
    checkTable(name, key, value)
    const { tables, table } = this.keys
    await this.redis.run('theseusSetInTable', [tables, table(name)], name, key, value)
  }

  async removeFromTable(name: string, key: string): Promise<boolean> {
    checkTable(name, key)
    const { tables, table } = this.keys
    return (await this.redis.run('theseusRemoveFromTable', [tables, table(name)], name, key)) === 1
  }

  async tables(): Promise<readonly string[]> {
    return (await this.redis.call((client) => client.smembers(this.keys.tables))).sort()
  }

  async dead(): Promise<Death> {
    const { nodes, dead } = this.keys
    return this.#deathOf(await this.redis.read(['theseusDead', 'theseusReadDead'], nodes, [dead], [...nodes, dead]))
  }

  async declareDead(below: Version, delayMs: number): Promise<Death> {
    checkDeath(below, delayMs)
    const { nodes, dead } = this.keys
    return this.#deathOf(await this.redis.run('theseusDeclareDead', [...nodes, dead], below, delayMs))
  }

  async giveBack({ dead, final }: { readonly dead: Version; readonly final: Version }): Promise<void> {
    checkDeath(dead, 0)
    checkDeath(final, 0)
    const { nodes, head } = this.keys
    const keys = [...nodes, this.keys.dead, head, this.keys.final]
    await this.redis.run('theseusGiveBack', keys, dead, final)
  }

  async finalized(): Promise<Version> {
    return this.#finalOf((await this.redis.call((client) => client.get(this.keys.final))) ?? '0')
  }

  async finalize(version: Version): Promise<Version> {
    checkDeath(version, 0)
    const { nodes, head, final } = this.keys
    return this.#finalOf(await this.redis.run('theseusFinalize', [...nodes, head, final], version))
  }

  #finalOf(text: unknown): Version {
    const version = Number(text)
    // Nothing final in its place would let somebody go back to what has been dropped.
    if (!isVersion(version)) throw new Fault('upgrade.invalid', `Redis key ${this.keys.final} holds no version`)
    return version
  }

  #deathOf(answer: unknown): Death {
    const [belowText, sinceText, beforeText, inForceText, nowText] = answer as readonly (string | null)[]
    if (belowText === null && sinceText === null) return nothingDead
    const [below, sinceMs, before] = [belowText, sinceText, beforeText].map((text) => Number(text ?? Number.NaN))
    // Nothing dead in its place would take a death back.
    if (!isVersion(below) || !isVersion(before) || !Number.isSafeInteger(sinceMs))
      throw new Fault('upgrade.invalid', `Redis key ${this.keys.dead} holds no versions and moment of a death`)
    const byTime = Number(nowText) >= sinceMs! ? below : before
    return { below, sinceMs: sinceMs!, inForce: inForceText === null ? byTime : Math.min(Number(inForceText), below) }
  }

  close(): Promise<void> {
    return this.redis.close()
  }
}

/** The order as the script takes it. Throws what the methods of the same effect throw. */
function orderArguments(what: Order): readonly (string | number)[] {
  switch (what.order) {
    case 'set':
      checkControl(what.control)
      return ['set', controlKey(what.control), JSON.stringify(what.control)]
    case 'remove':
      return ['remove', controlKey(what.control)]
    case 'setInTable':
      checkTable(what.table, what.key, what.value)
      return ['setInTable', what.table, what.key, what.value]
    case 'removeFromTable':
      checkTable(what.table, what.key)
      return ['removeFromTable', what.table, what.key]
    case 'finalize':
      checkDeath(what.version, 0)
      return ['finalize', what.version]
    case 'forget':
      return ['forget', what.nodeId]
    case 'backup':
    case 'restore':
      return ['note']
  }
}

/** An item that upgrade servers have not written there is no directive, and an auditor should see it. */
function keptDirective(item: string): Signed {
  try {
    const [bytes, signature] = JSON.parse(item) as [string, string | null]
    return {
      bytes: new Uint8Array(Buffer.from(bytes, 'base64')),
      signature: signature === null ? null : new Uint8Array(Buffer.from(signature, 'base64')),
    }
  } catch {
    return { bytes: new Uint8Array(Buffer.from(item)), signature: null }
  }
}

function controlOf(text: string): Control | undefined {
  try {
    const control: unknown = JSON.parse(text)
    return isControl(control) ? control : undefined
  } catch {
    return undefined
  }
}

/** The parts are sent together, one after the other on the wire; fails with the first that fails. */
function inParts<T>(all: readonly T[], send: (part: readonly T[]) => Promise<unknown>): Promise<readonly unknown[]> {
  const sent: Promise<unknown>[] = []
  for (let first = 0; first < all.length; first += nodesPerScript) sent.push(send(all.slice(first, first + nodesPerScript)))
  return Promise.all(sent)
}

type StandingAnswer = readonly [] | readonly [epoch: string, stampMs: number, leaseMs: number, doubt: string, leftMs: number]
type HeardAnswer = readonly [
  unknown: readonly string[],
  forgotten: readonly string[],
  elsewhere: readonly string[],
  standing: StandingAnswer,
]

/** The arguments that `sessionFrom` reads in the scripts; empty for an asker that does not say who it is. */
function argumentsOf(session: Session | undefined): readonly (string | number)[] {
  if (session === undefined) return ['', '', '', 0, 0, '', '']
  const { id, hostId, directoryId, ageMs, stampMs, epoch, over = [] } = session
  return [id, hostId, directoryId ?? '', Math.max(0, Math.floor(ageMs)), stampMs, epoch ?? '', ` ${over.join(' ')} `]
}

function standingOf([epoch, stampMs, leaseMs, doubt, leftMs]: StandingAnswer): { readonly standing?: Standing } {
  if (epoch === undefined) return {}
  const probation = doubt === '-' ? null : { doubt: doubt as Doubt, leftMs: leftMs! }
  return { standing: { epoch, stampMs: stampMs!, leaseMs: leaseMs!, probation } }
}

function heardOf(answers: readonly HeardAnswer[]): Heard {
  return {
    unknown: answers.flatMap(([unknown]) => unknown),
    forgotten: answers.flatMap(([, forgotten]) => forgotten),
    elsewhere: answers.flatMap(([, , triples]) =>
      triples.flatMap((nodeId, i) =>
        i % 3 === 0
          ? [{ nodeId, hostId: triples[i + 1] || null, ...(triples[i + 2] === 'waits' ? { waits: true as const } : {}) }]
          : [],
      ),
    ),
    ...(answers.length === 0 ? {} : standingOf(answers.at(-1)![3])),
  }
}

function text(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('base64')
}

/** ioredis sends the bytes of a Buffer, but the text of any other Uint8Array. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** 0 where that is not known: then an order to forget it is always newer. */
function registeredMs(nodeId: string, session: Session | undefined): number {
  return session?.registeredMs?.get(nodeId) ?? 0
}
