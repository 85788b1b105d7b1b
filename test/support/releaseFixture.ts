/**
 * The leftovers of a release (test/fixtures/releases): its state directory, its Redis, and
 * messages that it sent.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { Redis } from 'ioredis'
import type { NodeClass } from 'theseus-actors'

const releases = fileURLToPath(new URL('../../../test/fixtures/releases/', import.meta.url))
const app = new URL('../../../test/fixtures/releases/app/', import.meta.url)

/** The releases there are fixtures of. */
export function fixtureReleases(): readonly string[] {
  return readdirSync(releases).filter((name) => /^\d/.test(name))
}

export interface ReleaseFixture {
  readonly release: string
  readonly system: string
  readonly hostId: string
  readonly trust: readonly string[]
  readonly upgraderSeed: string
  readonly versions: readonly { readonly version: number; readonly title: string; readonly undoes: number | null }[]
  /** As they were told of when the host was killed. */
  readonly nodes: readonly {
    readonly nodeId: string
    readonly className: string
    readonly version: number
    readonly phase: string
  }[]
  /** Labels by node and item, written through version 0. */
  readonly written: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export function releaseFixture(release: string): ReleaseFixture {
  return JSON.parse(readFileSync(join(releases, release, 'fixture.json'), 'utf8'))
}

/** Every message that was recorded, once for each shape. */
export function messagesOf(
  release: string,
): readonly { readonly subject: string; readonly reply?: string; readonly hex: string }[] {
  return unpacked(release, 'messages.json.gz')
}

/** Copies the state directory to `directory`, as the killed host left it. */
export function copyState(release: string, directory: string): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'data.mdb'), gunzipSync(readFileSync(join(releases, release, 'state', 'data.mdb.gz'))))
}

type Dumped = { readonly key: string } & (
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'list' | 'set' | 'zset'; readonly value: readonly string[] }
  | { readonly type: 'hash'; readonly value: readonly (readonly [field: string, value: string])[] }
)

/** The values that the main entry of the release's package exports. */
export function entryOf(release: string): readonly string[] {
  const entry = execFileSync('tar', ['-xzOf', join(releases, release, 'theseus.tgz'), 'package/dist/index.js'], {
    encoding: 'utf8',
  })
  return [...entry.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names]) => names!.match(/\w+/g) ?? [])
}

/** The bundles of the installed upgrades, as the release built them, by digest. */
export function bundlesOf(release: string): ReadonlyMap<string, Uint8Array> {
  const bundles = new Map<string, Uint8Array>()
  for (const dumped of unpacked<Dumped[]>(release, 'redis.json.gz')) {
    const digest = /:bundle:([0-9a-f]{64})$/.exec(dumped.key)?.[1]
    if (digest === undefined || dumped.type !== 'hash') continue
    const chunks = dumped.value.map(([index, chunk]) => [Number(index), Buffer.from(chunk, 'base64')] as const)
    bundles.set(digest, Buffer.concat(chunks.sort(([a], [b]) => a - b).map(([, chunk]) => chunk)))
  }
  return bundles
}

/** Writes the release's keys into an empty Redis. */
export async function restoreRedis(release: string, url: string): Promise<void> {
  const client = new Redis(url)
  const bytes = (text: string) => Buffer.from(text, 'base64')
  for (const dumped of unpacked<Dumped[]>(release, 'redis.json.gz')) {
    const { key } = dumped
    switch (dumped.type) {
      case 'string':
        await client.set(key, bytes(dumped.value))
        break
      case 'list':
        await client.rpush(key, ...dumped.value.map(bytes))
        break
      case 'set':
        await client.sadd(key, ...dumped.value.map(bytes))
        break
      case 'zset':
        for (let i = 0; i < dumped.value.length; i += 2) await client.zadd(key, dumped.value[i + 1]!, bytes(dumped.value[i]!))
        break
      case 'hash':
        await client.hset(key, ...dumped.value.flatMap(([field, value]) => [field, bytes(value)]))
        break
    }
  }
  await client.quit()
}

/** The classes of the fixtures' system. They are plain JavaScript, so that every release can run them. */
export async function fixtureClasses(): Promise<
  Readonly<Record<'ShelfV1' | 'ShelfV2' | 'ShelfV3' | 'ShelfV4' | 'LedgerV1', NodeClass>>
> {
  return await import(new URL('shelf.mjs', app).href)
}

function unpacked<T>(release: string, name: string): T {
  return JSON.parse(gunzipSync(readFileSync(join(releases, release, name))).toString('utf8'))
}
