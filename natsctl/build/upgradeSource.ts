/**
 * Where a command has an upgrade from: a file that "upgrade build" made, a module that is built
 * first, or what is installed.
 */
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type BuiltUpgrade, draftManifest, isFault, type ManifestDraft, type Upgrade } from 'theseus-actors'
import { refuseSeeds } from '../context/upgraderSeed.js'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { oneLine } from '../output/output.js'
import { ownBundle, withBundles } from './runnableBundle.js'
import type { UpgradeFile } from './upgradeFile.js'

/** An upgrade with its code, in this process. */
export interface LoadedUpgrade {
  readonly built: BuiltUpgrade
  readonly upgrade: Upgrade
}

const moduleName = /^\.[cm]?[jt]sx?$/

/** Builds the module, or reads the file, and runs the upgrade's code. */
export async function loadUpgrade(source: string): Promise<LoadedUpgrade> {
  const built = moduleName.test(extname(source)) ? await buildModule(source) : await readUpgradeFile(source)
  const upgrade = await withBundles((load) => load(ownBundle(built)))
  // Nodes decide by the manifest and run the bundle.
  const draft = JSON.parse(JSON.stringify(draftManifest(upgrade, built.bundle))) as ManifestDraft
  if (!isDeepStrictEqual(draft, built.manifest) && !isDeepStrictEqual(withoutMethodUses(draft), built.manifest))
    throw new Failure(
      exitCodes.error,
      `upgrade.invalid: ${source}: its manifest says something else than its code; build it again`,
    )
  return { built, upgrade }
}

/** As release 0.1.0 builds it, which does not tell the methods that are called and delegated. */
function withoutMethodUses(draft: ManifestDraft): ManifestDraft {
  const whole = (uses: readonly string[]) => uses.filter((used) => !/^[^/:@]+:.+\/1$/.test(used))
  const classUpgrades = draft.classUpgrades.map(({ delegated: _, ...entry }) => ({
    ...entry,
    oldUses: whole(entry.oldUses),
    newUses: whole(entry.newUses),
  }))
  return { ...draft, classUpgrades }
}

/** Runs the module. */
export async function buildModule(source: string): Promise<BuiltUpgrade> {
  refuseSeeds('the upgrade’s module')
  // Loaded here only: a bundler is much to load for listing nodes.
  const { buildUpgrade } = await import('./upgradeBuild.js')
  return buildUpgrade(source).catch((error: unknown) => {
    // The compiler's own lines, as editors and people know them.
    if (isFault(error) && error.code === 'upgrade.invalid') throw new Failure(exitCodes.error, error.message, { cause: error })
    throw error
  })
}

export async function readUpgradeFile(file: string): Promise<UpgradeFile> {
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
