/**
 * The `.upgrade` file: what a build leaves and `publish` takes. One MessagePack array in standard types: the
 * format number 1, the manifest draft as JSON text, the bundle's bytes; and where it is signed, the
 * signatures (`signedUpgrade.ts`), which release 0.1.0 passes over.
 */
import { Packr, Unpackr } from 'msgpackr'
import { type BuiltUpgrade, Fault, type ManifestDraft } from 'theseus-actors'
import {
  bundleBytesMax,
  decodeManifest,
  digestOf,
  encodeManifest,
  fileFormats,
  isPromiseList,
  isRead,
  type Manifest,
  manifestBytesMax,
  manifestFormat,
  numbersRead,
  upgradersMax,
} from 'theseus-actors/operator'
import { readSignatures, type SignedUpgrade, signaturesIn } from './signedUpgrade.js'

export const upgradeFileFormat = fileFormats.upgrade.newest
/** The array's head, and the heads of what is in it, take less than the rest. */
export const upgradeFileBytesMax = bundleBytesMax + 2 * manifestBytesMax + upgradersMax * 256 + 64

const standard = { useRecords: false, variableMapSize: true, copyBuffers: true } as const

export interface UpgradeFile extends BuiltUpgrade {
  readonly signed: SignedUpgrade | null
}

export function encodeUpgradeFile({ manifest, bundle }: BuiltUpgrade, signed: SignedUpgrade | null = null): Uint8Array {
  const signatures = signed === null ? [] : [signaturesIn(signed)]
  return new Uint8Array(new Packr(standard).pack([upgradeFileFormat, JSON.stringify(manifest), bundle, ...signatures]))
}

/**
 * Throws `upgrade.invalid` for anything that `encodeUpgradeFile` did not make, and `upgrade.signature` for a
 * signature that is none.
 */
export function decodeUpgradeFile(bytes: Uint8Array): UpgradeFile {
  if (bytes.length > upgradeFileBytesMax)
    throw invalid(`it has ${bytes.length} bytes; at most ${upgradeFileBytesMax} are accepted`)
  const [format, text, bundle, signatures] = arrayOf(bytes)
  if (!isRead(fileFormats.upgrade, format))
    throw invalid(`its format is ${String(format)}; this Theseus reads ${numbersRead(fileFormats.upgrade)}`)
  if (typeof text !== 'string' || !(bundle instanceof Uint8Array)) throw invalid('it is not [format, manifest, bundle]')
  const manifest = draftOf(text)
  if (manifest.bundle.bytes !== bundle.length || manifest.bundle.digest !== digestOf(bundle)) {
    throw invalid('its bundle is not the one that its manifest names: build it again')
  }
  return { manifest, bundle, signed: signatures === undefined ? null : readSignatures(signatures, manifest) }
}

function arrayOf(bytes: Uint8Array): readonly unknown[] {
  let value: unknown
  try {
    // One of its own, for a decoder keeps record definitions that a file brings.
    value = new Unpackr(standard).unpack(bytes)
  } catch (error) {
    throw invalid('it is not MessagePack', error)
  }
  if (!Array.isArray(value)) throw invalid('it is not [format, manifest, bundle]')
  return value
}

/** A draft is whole when the manifest that it becomes is. */
const published = {
  system: 'any',
  version: 1,
  previous: null,
  reason: null,
  undoes: null,
  createdAt: '',
  upgrader: null,
  upgraders: null,
} as const

function draftOf(text: string): ManifestDraft {
  let draft: unknown
  try {
    draft = JSON.parse(text)
  } catch (error) {
    throw invalid('its manifest is not JSON', error)
  }
  if (typeof draft !== 'object' || draft === null) throw invalid('its manifest is not an object')
  const { format, ...whole } = decodeManifest(encodeManifest({ ...draft, ...published } as Manifest))
  if (format !== manifestFormat) throw invalid(`its manifest has the format ${format}; this Theseus reads ${manifestFormat}`)
  const { runtime, title, bundle, classUpgrades, tables, gate, promises } = whole
  if (promises !== undefined && !isPromiseList(promises)) throw invalid('its promises are none')
  return { format, runtime, title, bundle, classUpgrades, tables, gate, ...(promises && { promises }) }
}

function invalid(what: string, cause?: unknown): Fault {
  return new Fault('upgrade.invalid', `this is no upgrade file: ${what}`, {}, cause === undefined ? undefined : { cause })
}
