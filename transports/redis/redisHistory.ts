/** The history in Redis: the newest version, the signed manifests, and the bundles in chunks. */
import { Fault } from '../../core/base/fault.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import { type Control, checkControl, controlKey } from '../../core/control/control.js'
import type { AskedOfReaders, Head } from '../../core/control/upgradeDatabase.js'
import { overwrittenTable } from '../../core/model/reservedTables.js'
import { checkTables, type TableEntries, type TablesUndone } from '../../core/model/tables.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { tooMuchStaged } from '../udbFactory.js'
import { bufferOf, type RedisConnection } from './redisConnection.js'
import { jsonText } from './redisJson.js'
import { type RedisKeys, redisLayout } from './redisKeys.js'
import { levelText, numbersText } from './redisLevel.js'

/** Manifests read at once: of their usual size, some 100 KB. */
const manifestsPerRead = 32

export class RedisHistory {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Pick<
      RedisKeys,
      'nodes' | 'head' | 'manifests' | 'signatures' | 'tables' | 'table' | 'final' | 'bundle' | 'controls'
    >,
    private readonly tell: (message: string) => void = () => {},
  ) {}

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
    asked: AskedOfReaders | null = null,
    undone: TablesUndone | null = null,
    control: Control | null = null,
  ): Promise<boolean> {
    const { head, manifests, signatures, final, controls } = this.keys
    checkTables(tables)
    if (control !== null) checkControl(control)
    const version = expected.version + 1
    const entries = Object.entries(tables).flatMap(([name, table]) =>
      Object.entries(table).map(([key, value]) => [name, key, value] as const),
    )
    const keys = [head, manifests, signatures, this.keys.tables, final, this.keys.bundle(bundle ?? '')]
    const overwritten = this.keys.table(overwrittenTable)
    const askedKeys = asked === null ? [] : this.keys.nodes
    const { answer, unreplicated } = await this.redis.runKept(
      asked === null ? 'theseusInstall' : 'theseusInstallAsked',
      [...askedKeys, ...keys, overwritten, controls, ...entries.map(([name]) => this.keys.table(name))],
      ...askedArguments(asked),
      expected.version,
      expected.digest ?? '',
      version,
      digest,
      bufferOf(manifest.bytes),
      manifest.signature === null ? '' : bufferOf(manifest.signature),
      undoes ?? '',
      bundle ?? '',
      writes ?? '',
      undone?.of ?? version,
      undone?.way ?? 'sets',
      control === null ? '' : controlKey(control),
      control === null ? '' : jsonText(control),
      ...entries.flat(),
    )
    if (answer !== 1) return false
    // Hosts give back what they have seen: it is installed all the same.
    const missing = await unreplicated()
    if (missing !== undefined) this.tell(`version ${version} is installed, but ${missing}: after a fail-over hosts give it back`)
    return true
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
}

function askedArguments(asked: AskedOfReaders | null): readonly string[] {
  if (asked === null) return []
  return [asked.isTaught ? '' : numbersText(asked.reads), asked.level === null ? '' : levelText(asked.level)]
}

/** Throws for a layout of a later release: whoever reads on would misunderstand it. */
function checkLayout(layout: string | null, key: string): void {
  if (layout === null || (/^\d{1,9}$/.test(layout) && Number(layout) <= redisLayout)) return
  const message = `Redis has layout ${layout.slice(0, 20)} (${key}), and this release of Theseus reads up to ${redisLayout}`
  throw new Fault('config.layout', `${message}: use a release that knows it`)
}
