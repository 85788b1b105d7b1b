/** From an upgrade's source to what is published: type-check, bundle, load once, describe. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BuiltUpgrade } from 'theseus-actors'
import { draftManifest, Fault } from 'theseus-actors'
import { bundleRepository } from 'theseus-actors/bundles'
import { digestOf, reasonOf } from 'theseus-actors/operator'
import { withBuildSettings } from './buildSettings.js'
import { bundle } from './bundle.js'
import { typeCheck } from './typeCheck.js'

export { type RecordedCall, type RecordedCalls, type RecordedEnd, readRecordedCalls } from '../record/recordedCalls.js'
export { type CopiedNodes, readCopiedNodes } from '../state/copiedNodes.js'
export { type ReadUpgrades, type ReadUpgradesOptions, readUpgrades } from './readUpgrades.js'

export interface BuildUpgradeOptions {
  /** Whether TypeScript is checked before it is bundled; by default true. JavaScript never is. */
  readonly typeCheck?: boolean
}

/**
 * Builds the upgrade that the module `source` exports by default. Runs the module: what it does when it is
 * imported, it does here. Throws `upgrade.invalid` with the compilers' own lines, and `config.invalid` when
 * there is no TypeScript to check with.
 */
export async function buildUpgrade(source: string | URL, options: BuildUpgradeOptions = {}): Promise<BuiltUpgrade> {
  const path = await pathOf(source)
  const bytes = await compile(path, options.typeCheck ?? true)
  const cache = await mkdtemp(join(tmpdir(), 'theseus-build-'))
  try {
    const upgrade = await bundleRepository(cache).load(digestOf(bytes), bytes)
    return { manifest: draftManifest(upgrade, bytes), bundle: bytes }
  } finally {
    await rm(cache, { recursive: true, force: true })
  }
}

/** The real path, or the bundle would tell where a symbolic link leads. */
async function pathOf(source: string | URL): Promise<string> {
  const path = resolve(source instanceof URL || source.startsWith('file:') ? fileURLToPath(source) : source)
  try {
    return await realpath(path)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const why = isMissing ? `there is no file ${path}` : `the upgrade can't be read: ${reasonOf(error)}`
    throw new Fault('upgrade.invalid', why, { source: path }, { cause: error })
  }
}

const typed = new Set(['.ts', '.mts', '.cts', '.tsx'])

function compile(path: string, check: boolean): Promise<Uint8Array> {
  if (!typed.has(extname(path))) return bundle(path, undefined)
  return withBuildSettings(path, async (tsconfig) => {
    if (check) await typeCheck(path, tsconfig)
    return bundle(path, tsconfig)
  })
}
