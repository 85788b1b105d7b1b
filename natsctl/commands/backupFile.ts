/**
 * A backup of an upgrade database: what nobody else can restore from what they do every day. One MessagePack
 * array in standard types: the format number 1, and a record. Nobody believes its contents without verifying
 * them; tables, pauses and holds are the file's word.
 */
import { Packr, Unpackr } from 'msgpackr'
import { Fault } from 'theseus-actors'
import { type Control, fileFormats, isControl, isName, isRead, numbersRead, type SignedManifest } from 'theseus-actors/operator'

export const backupFileFormat = fileFormats.backup.newest

export interface Backup {
  readonly system: string
  /** Milliseconds since 1970. */
  readonly takenAt: number
  readonly manifests: readonly SignedManifest[]
  /** By digest; one that was not there whole is missing. */
  readonly bundles: ReadonlyMap<string, Uint8Array>
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly controls: readonly Control[]
  readonly final: number
  /** For whoever looks back: what comes after a loss is another chain. */
  readonly audit: readonly Uint8Array[]
}

const standard = { useRecords: false, variableMapSize: true, copyBuffers: true, mapsAsObjects: false } as const

export function encodeBackup(backup: Backup): Uint8Array {
  const { system, takenAt, manifests, bundles, tables, controls, final, audit } = backup
  const record = new Map<string, unknown>([
    ['system', system],
    ['takenAt', takenAt],
    ['manifests', manifests.map(({ bytes, signature }) => [bytes, signature])],
    ['bundles', bundles],
    ['tables', tables],
    ['controls', controls.map((control) => JSON.stringify(control))],
    ['final', final],
    ['audit', audit],
  ])
  return new Uint8Array(new Packr(standard).pack([backupFileFormat, record]))
}

/** Throws `upgrade.invalid` for anything that `encodeBackup` did not make. */
export function decodeBackup(bytes: Uint8Array): Backup {
  let value: unknown
  try {
    value = new Unpackr(standard).unpack(bytes)
  } catch (error) {
    throw invalid('it is not MessagePack', error)
  }
  const [format, record] = Array.isArray(value) ? value : []
  if (!isRead(fileFormats.backup, format) || !(record instanceof Map))
    throw invalid(`its format is not ${numbersRead(fileFormats.backup)}`)
  const [system, takenAt, final] = ['system', 'takenAt', 'final'].map((key) => record.get(key) as unknown)
  if (!isName(system) || !isCount(takenAt) || !isCount(final)) throw invalid('system, takenAt or final is missing or wrong')
  return {
    ...{ system, takenAt, final },
    manifests: listIn(record, 'manifests', isPair).map(([manifest, signature]) => ({ bytes: manifest, signature })),
    bundles: mapIn(record, 'bundles', isBytes),
    tables: mapIn(record, 'tables', isTable),
    controls: listIn(record, 'controls', isText).map(readControl),
    audit: listIn(record, 'audit', isBytes),
  }
}

type Of<T> = (value: unknown) => value is T

function listIn<T>(record: ReadonlyMap<unknown, unknown>, key: string, isItem: Of<T>): readonly T[] {
  const value = record.get(key)
  if (Array.isArray(value) && value.every(isItem)) return value
  throw invalid(`${key} is missing or wrong`)
}

function mapIn<T>(record: ReadonlyMap<unknown, unknown>, key: string, isItem: Of<T>): ReadonlyMap<string, T> {
  const value = record.get(key)
  if (value instanceof Map && [...value].every(([name, item]) => isText(name) && isItem(item))) return value as Map<string, T>
  throw invalid(`${key} is missing or wrong`)
}

function readControl(text: string): Control {
  let control: unknown
  try {
    control = JSON.parse(text)
  } catch (error) {
    throw invalid('a control is not JSON', error)
  }
  if (isControl(control)) return control
  throw invalid('it has a control that there is none of')
}

function isPair(value: unknown): value is readonly [Uint8Array, Uint8Array | null] {
  return Array.isArray(value) && isBytes(value[0]) && (value[1] === null || isBytes(value[1]))
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isTable(value: unknown): value is ReadonlyMap<string, string> {
  return value instanceof Map && [...value].every(([key, entry]) => isText(key) && isText(entry))
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function invalid(what: string, cause?: unknown): Fault {
  return new Fault('upgrade.invalid', `this is no backup: ${what}`, {}, cause === undefined ? undefined : { cause })
}
