/** Where a command has an upgrade from: a file that "upgrade build" made, a module that is built first, or what is installed. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type BuiltUpgrade, digestOf, draftManifest, isFault, type Manifest, type Operator, type Upgrade } from 'theseus'
import { exitCodes, Failure } from './exitCodes.js'
import { oneLine } from './output.js'

/** An upgrade with its code, in this process. */
export interface LoadedUpgrade {
  readonly built: BuiltUpgrade
  readonly upgrade: Upgrade
}

const moduleName = /^\.[cm]?[jt]sx?$/

/** Builds the module, or reads the file, and runs the upgrade's code. */
export async function loadUpgrade(source: string): Promise<LoadedUpgrade> {
  const built = moduleName.test(extname(source)) ? await buildModule(source) : await readUpgradeFile(source)
  const upgrade = await withBundles((load) => load(built.manifest.bundle.digest, built.bundle))
  // Nodes decide by the manifest and run the bundle.
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(draftManifest(upgrade, built.bundle))), built.manifest))
    throw new Failure(
      exitCodes.error,
      `upgrade.invalid: ${source}: its manifest says something else than its code; build it again`,
    )
  return { built, upgrade }
}

export async function buildModule(source: string): Promise<BuiltUpgrade> {
  // Loaded here only: a bundler is much to load for listing nodes.
  const { buildUpgrade } = await import('./upgradeBuild.js')
  return buildUpgrade(source).catch((error: unknown) => {
    // The compiler's own lines, as editors and people know them.
    if (isFault(error) && error.code === 'upgrade.invalid') throw new Failure(exitCodes.error, error.message, { cause: error })
    throw error
  })
}

export async function readUpgradeFile(file: string): Promise<BuiltUpgrade> {
  const { decodeUpgradeFile } = await import('./upgradeFile.js')
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw new Failure(exitCodes.error, `error: can't read ${file}: ${(error as Error).message}`, { cause: error })
  }
  try {
    return decodeUpgradeFile(bytes)
  } catch (error) {
    if (!isFault(error)) throw error
    const advice = moduleName.test(extname(file)) ? '; build it first, with "natsctl upgrade build"' : ''
    throw new Failure(exitCodes.error, oneLine(`${error.code}: ${file}: ${error.message}${advice}`), { cause: error })
  }
}

/** Loads bundles, and leaves no files behind. */
export async function withBundles<T>(
  use: (load: (digest: string, bundle: Uint8Array) => Promise<Upgrade>) => Promise<T>,
): Promise<T> {
  const { bundleRepository } = await import('theseus/bundles')
  const cache = await mkdtemp(join(tmpdir(), 'theseus-load-'))
  try {
    const repository = bundleRepository(cache)
    return await use((digest, bundle) => repository.load(digest, bundle))
  } finally {
    await rm(cache, { recursive: true, force: true })
  }
}

/** The bundle of an installed version, as the upgrade database has it. Throws what is wrong with it. */
export async function installedBundle(database: Operator['database'], { version, bundle }: Manifest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (let index = 0, bytes = 0; index === 0 || bytes < bundle.bytes; index++) {
    const chunk = await database.getChunk(bundle.digest, index)
    if (chunk === undefined || (chunk.length === 0 && bundle.bytes > 0))
      throw new Failure(exitCodes.error, `upgrade.fetch: the upgrade database has not the whole bundle of version ${version}`)
    chunks.push(chunk)
    bytes += chunk.length
  }
  const whole = Buffer.concat(chunks)
  if (digestOf(whole) === bundle.digest) return whole
  throw new Failure(exitCodes.error, `upgrade.digest: the bundle of version ${version} has another digest than its manifest says`)
}
