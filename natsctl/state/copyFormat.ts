/**
 * The file of a copy of state: that of a host's directory, or of all shards of a service. Its records come
 * one after the other, so no part of it is larger than a piece of one transaction.
 *
 * `THESEUSC`, and then records, each with its length in four bytes before it. A record is a MessagePack array
 * in standard types: header, then each part (the directory, or a shard) with its writes, then the end.
 */
import { Packr, Unpackr } from 'msgpackr'
import { Fault } from 'theseus-actors'
import { fileFormats, isDigest, isName, isRead, numbersRead, type StateWrite } from 'theseus-actors/operator'

export const copyMagic = Buffer.from('THESEUSC')
export const lengthBytes = 4
/** Of one record: a value that is larger is in no store. */
export const recordBytesMax = 2 ** 30

/** The furthest that can be told as a date. */
const instantMsMax = 8.64e15

export interface CopyHeader {
  /** Milliseconds since 1970: when the copy was begun. */
  readonly takenAt: number
  readonly of: CopiedState
}

export type CopiedState =
  | { readonly kind: 'directory'; readonly directoryId: string }
  | { readonly kind: 'service'; readonly system: string; readonly service: string; readonly shards: number }

export type CopyRecord =
  | { readonly kind: 'header'; readonly header: CopyHeader }
  /** A shard begins; or the directory, as part 0. */
  | { readonly kind: 'part'; readonly part: number }
  /** In order. A value takes the place of an earlier one, and null deletes it. */
  | { readonly kind: 'writes'; readonly writes: readonly StateWrite[] }
  /** The part is whole. `number`: of the last entry of its log that it holds. */
  | { readonly kind: 'whole'; readonly number: number }
  /** The digest of all before. */
  | { readonly kind: 'end'; readonly digest: string }

const kinds = ['header', 'part', 'writes', 'whole', 'end'] as const satisfies readonly CopyRecord['kind'][]
const standard = { useRecords: false, variableMapSize: true, copyBuffers: true, mapsAsObjects: false } as const
const packr = new Packr(standard)
const unpackr = new Unpackr(standard)

/** With its length before it. */
export function encodeCopyRecord(record: CopyRecord): Buffer {
  const body = packr.pack([kinds.indexOf(record.kind), ...fieldsOf(record)])
  const bytes = Buffer.alloc(lengthBytes + body.length)
  bytes.writeUInt32BE(body.length)
  bytes.set(body, lengthBytes)
  return bytes
}

function fieldsOf(record: CopyRecord): readonly unknown[] {
  switch (record.kind) {
    case 'header': {
      const { takenAt, of } = record.header
      const what = of.kind === 'directory' ? [of.kind, of.directoryId] : [of.kind, of.system, of.service, of.shards]
      return [fileFormats.stateCopy.newest, takenAt, what]
    }
    case 'part':
      return [record.part]
    case 'writes':
      return [record.writes.flat()]
    case 'whole':
      return [record.number]
    case 'end':
      return [record.digest]
  }
}

/** Without its length. Throws `config.invalid` for anything that `encodeCopyRecord` did not make. */
export function decodeCopyRecord(bytes: Uint8Array): CopyRecord {
  let value: unknown
  try {
    value = unpackr.unpack(bytes)
  } catch (error) {
    throw notACopy('a record is not MessagePack', error)
  }
  const [number, ...fields] = Array.isArray(value) ? value : []
  const kind = kinds[number as number]
  const [first] = fields
  switch (kind) {
    case 'header':
      return { kind, header: headerOf(fields) }
    case 'part':
      if (isCount(first)) return { kind, part: first }
      break
    case 'writes':
      if (Array.isArray(first)) return { kind, writes: writesOf(first) }
      break
    case 'whole':
      if (isCount(first)) return { kind, number: first }
      break
    case 'end':
      if (isDigest(first)) return { kind, digest: first }
      break
    case undefined:
      break
  }
  throw notACopy('it has a record that there is none of')
}

function headerOf([format, takenAt, what]: readonly unknown[]): CopyHeader {
  if (!isRead(fileFormats.stateCopy, format)) throw notACopy(`its format is not ${numbersRead(fileFormats.stateCopy)}`)
  const [kind, ...fields] = Array.isArray(what) ? what : []
  if (!isCount(takenAt) || takenAt > instantMsMax) throw notACopy('its time is missing')
  const [first, service, shards] = fields
  if (kind === 'directory' && typeof first === 'string') return { takenAt, of: { kind, directoryId: first } }
  if (kind === 'service' && isName(first) && isName(service) && isCount(shards))
    return { takenAt, of: { kind, system: first, service, shards } }
  throw notACopy('nobody can tell of which state it is')
}

function writesOf(flat: readonly unknown[]): readonly StateWrite[] {
  const writes: StateWrite[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const key = flat[i]
    const value = flat[i + 1]
    if (typeof key !== 'string' || !(value === null || value instanceof Uint8Array))
      throw notACopy('a write is no key with bytes')
    writes.push([key, value])
  }
  return writes
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

export function notACopy(what: string, cause?: unknown): Fault {
  return new Fault('config.invalid', `this is no copy of state: ${what}`, {}, cause === undefined ? undefined : { cause })
}
