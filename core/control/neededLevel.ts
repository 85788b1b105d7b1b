/**
 * T2. An upgrade is installed only if all that it needs may be written.
 * T3. A version that raises the level, or has a format that a trust root asks for, is installed only if
 *     everybody registered reads it.
 */
import { Fault } from '../base/fault.js'
import { type Level, raised } from '../base/level.js'
import { identifiedFormat, type LevelManifest, levelIn, type Manifest, saysRelease } from '../upgrade/manifest.js'
import type { AskedOfReaders } from './upgradeDatabase.js'

type Needing = Pick<Manifest, 'version' | 'runtime' | 'format'>

/** The level after these manifests, verified or not. */
export function levelAfter(manifests: readonly Manifest[], begins: Level): Level {
  return manifests.reduce((level, manifest) => raised(level, levelIn(manifest) ?? {}), begins)
}

/** Throws `upgrade.level` for an upgrade that needs a number above the level before it. */
export function checkNeeds({ version, runtime, format }: Needing, level: Level): void {
  if (runtime > level.runtime) throw aboveLevel(version, 'runtime interface', runtime, level.runtime)
  checkFormat({ version, format }, level)
}

function checkFormat({ version, format }: Pick<Needing, 'version' | 'format'>, level: Level): void {
  // Hosts that are not told of the root are refused anyway.
  if (format > level.manifest && format !== identifiedFormat) throw aboveLevel(version, 'manifest format', format, level.manifest)
}

/** The question for everybody registered; null: none. Throws as `checkNeeds` does. */
export function askedFor(manifest: Manifest, level: Level): AskedOfReaders | null {
  const set = levelIn(manifest)
  if (set !== null) {
    const numbers = raised(level, set)
    return { reads: numbers, level: { release: (manifest as LevelManifest).release, numbers }, isTaught: false }
  }
  // The way back is open whatever has been installed, where every release can read it.
  if (manifest.undoes !== null) {
    if (saysRelease(manifest)) checkFormat(manifest, level)
    return null
  }
  checkNeeds(manifest, level)
  return manifest.format <= level.manifest ? null : { reads: { manifest: manifest.format }, level: null, isTaught: false }
}

function aboveLevel(version: number, what: string, needed: number, is: number): Fault {
  const advice = 'raise it with "natsctl system level --raise" once every host and upgrade server runs the new release'
  return new Fault('upgrade.level', `version ${version} needs ${what} ${needed}, and the system's level is ${is}: ${advice}`)
}
