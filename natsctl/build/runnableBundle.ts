/**
 * The one way by which bytes become code in natsctl.
 *
 * H1. A bundle runs here only if the operator named it, as a file or a module, or if its manifest is
 *     verified. Only the two functions below make a `RunnableBundle`, and only `withBundles` runs one.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuiltUpgrade, Operator, Upgrade } from 'theseus-actors'
import type { Verified } from 'theseus-actors/nkeys'
import { digestOf, storedBundle } from 'theseus-actors/operator'
import { refuseSeeds } from '../context/upgraderSeed.js'
import { exitCodes, Failure } from '../output/exitCodes.js'

declare const isRunnable: unique symbol

export interface RunnableBundle {
  readonly [isRunnable]: true
  readonly digest: string
  readonly bytes: Uint8Array
}

/**
 * Out of a file or a module that somebody named on the command line. Throws if the bundle is
 * not the one that its manifest names.
 */
export function ownBundle({ manifest, bundle }: BuiltUpgrade): RunnableBundle {
  const { digest } = manifest.bundle
  if (digestOf(bundle) === digest) return { digest, bytes: bundle } as RunnableBundle
  throw otherDigest('the upgrade')
}

/** Of a version whose manifest is verified, as the upgrade database has it. Throws what is wrong with it. */
export async function verifiedBundle(
  database: Pick<Operator['database'], 'getChunk'>,
  { manifest: { version, bundle } }: Verified,
): Promise<RunnableBundle> {
  const stored = await storedBundle(database, bundle.digest, bundle.bytes)
  if (stored.state === 'whole') return { digest: bundle.digest, bytes: stored.bytes } as RunnableBundle
  if (stored.state === 'otherDigest') throw otherDigest(`version ${version}`)
  throw new Failure(exitCodes.error, `upgrade.fetch: the upgrade database has not the whole bundle of version ${version}`)
}

function otherDigest(of: string): Failure {
  return new Failure(exitCodes.error, `upgrade.digest: the bundle of ${of} has another digest than its manifest says`)
}

/** Loads bundles, and leaves no files behind. */
export async function withBundles<T>(use: (load: (bundle: RunnableBundle) => Promise<Upgrade>) => Promise<T>): Promise<T> {
  refuseSeeds('the upgrade’s code')
  const { bundleRepository } = await import('theseus-actors/bundles')
  const cache = await mkdtemp(join(tmpdir(), 'theseus-load-'))
  try {
    const repository = bundleRepository(cache)
    return await use(({ digest, bytes }) => repository.load(digest, bytes))
  } finally {
    await rm(cache, { recursive: true, force: true })
  }
}
