/**
 * An exported history: what an auditor takes along. One MessagePack array in standard types: the format
 * number 1, the system, and a list of lists of two: a manifest's bytes as they were signed, and the
 * signature's bytes or nil.
 */
import { Packr, Unpackr } from 'msgpackr'
import { Fault } from 'theseus-actors'
import { fileFormats, isName, isRead, numbersRead, type SignedManifest } from 'theseus-actors/operator'

export const historyFileFormat = fileFormats.history.newest

export interface ExportedHistory {
  readonly system: string
  readonly manifests: readonly SignedManifest[]
}

const standard = { useRecords: false, variableMapSize: true, copyBuffers: true } as const

export function encodeHistoryFile({ system, manifests }: ExportedHistory): Uint8Array {
  const pairs = manifests.map(({ bytes, signature }) => [bytes, signature])
  return new Uint8Array(new Packr(standard).pack([historyFileFormat, system, pairs]))
}

/**
 * Throws `upgrade.invalid` for anything that `encodeHistoryFile` did not make. The contents of the manifests
 * are for `verifyHistory`.
 */
export function decodeHistoryFile(bytes: Uint8Array): ExportedHistory {
  let value: unknown
  try {
    value = new Unpackr(standard).unpack(bytes)
  } catch (error) {
    throw invalid('it is not MessagePack', error)
  }
  const [format, system, pairs] = Array.isArray(value) ? value : []
  if (!isRead(fileFormats.history, format)) throw invalid(`its format is not ${numbersRead(fileFormats.history)}`)
  if (!isName(system) || !Array.isArray(pairs) || !pairs.every(isPair)) throw invalid('it is not [format, system, manifests]')
  return { system, manifests: pairs.map(([manifest, signature]) => ({ bytes: manifest, signature })) }
}

function isPair(value: unknown): value is readonly [Uint8Array, Uint8Array | null] {
  if (!Array.isArray(value)) return false
  const [bytes, signature] = value
  return bytes instanceof Uint8Array && (signature === null || signature instanceof Uint8Array)
}

function invalid(what: string, cause?: unknown): Fault {
  return new Fault('upgrade.invalid', `this is no exported history: ${what}`, {}, cause === undefined ? undefined : { cause })
}
