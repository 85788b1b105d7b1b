/**
 * The file of recorded calls: a header, a call a line, and the end, each as JSON. So people can read what
 * they hand on. JSON has no bytes, no instants and no undefined: these are records with one key that begins
 * with `$`.
 */
import { open } from 'node:fs/promises'
import { Fault, type Version } from 'theseus-actors'
import { fileFormats, isName, isRead, isVersion, numbersRead } from 'theseus-actors/operator'

/** The end of a recorded call as its caller saw it. `untold`: the recording ended before. */
export type RecordedEnd =
  | { readonly is: 'answer'; readonly value: unknown }
  | { readonly is: 'fault'; readonly code: string }
  | { readonly is: 'untold' }

export interface RecordedCall {
  readonly node: string
  /** Counts the calls that its host has recorded, in the order in which their methods began to run. */
  readonly number: number
  /** Milliseconds since 1970, by the clock of the host. */
  readonly at: number
  readonly host: string
  readonly service: string
  /** The version of the call's label, and the class that its node has at that version. */
  readonly version: Version
  readonly className: string
  readonly method: string
  readonly args: readonly unknown[]
  readonly end: RecordedEnd
}

export interface RecordedCalls {
  readonly system: string
  /** Milliseconds since 1970. */
  readonly takenAt: number
  /** The names of masked fields: their values are not the real ones. */
  readonly masked: readonly string[]
  readonly calls: readonly RecordedCall[]
  /** Calls for which a host had no place, and messages that did not arrive. */
  readonly lost: number
}

/** Of one file that is read. */
export const recordedBytesMax = 256 * 1024 * 1024

export function encodeRecordedCalls({ system, takenAt, masked, calls, lost }: RecordedCalls): Uint8Array {
  const lines = [
    JSON.stringify({ format: fileFormats.recordedCalls.newest, system, takenAt, masked }),
    ...calls.map(({ args, end, ...call }) => JSON.stringify({ ...call, args: args.map(tagged), end: endText(end) })),
    JSON.stringify({ calls: calls.length, lost }),
  ]
  return Buffer.from(`${lines.join('\n')}\n`)
}

function endText(end: RecordedEnd): unknown {
  return end.is === 'answer' ? { is: end.is, value: tagged(end.value) } : end
}

function tagged(value: unknown): unknown {
  if (value === undefined) return { $undefined: true }
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return { $number: numberText(value) }
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Date) return { $date: value.toISOString() }
  if (Array.isArray(value)) return value.map(tagged)
  const entries = Object.entries(value).map(([key, each]) => [key, tagged(each)] as const)
  return entries.some(([key]) => key.startsWith('$')) ? { $record: entries } : Object.fromEntries(entries)
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function untagged(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(untagged)
  const entries = Object.entries(value)
  const [key, first] = entries.length === 1 ? entries[0]! : []
  switch (key) {
    case '$undefined':
      return undefined
    case '$number':
      return Number(first)
    case '$bytes':
      return new Uint8Array(Buffer.from(String(first), 'base64'))
    case '$date':
      return new Date(String(first))
    case '$record':
      return Object.fromEntries((first as readonly [string, unknown][]).map(([name, each]) => [name, untagged(each)]))
    default:
      return Object.fromEntries(entries.map(([name, each]) => [name, untagged(each)]))
  }
}

/** Throws `config.invalid` for a file that can't be read, is cut off, or is something else. */
export async function readRecordedCalls(path: string | URL): Promise<RecordedCalls> {
  const file = await open(path).catch((error: Error) => Promise.reject(notRead(path, error.message, error)))
  try {
    const { size } = await file.stat()
    if (size > recordedBytesMax) throw notRead(path, `it has ${size} bytes, and at most ${recordedBytesMax} are read`)
    return decodeRecordedCalls(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

function decodeRecordedCalls(text: string, path: string | URL): RecordedCalls {
  const lines = text.split('\n').filter((line) => line !== '')
  const parsed = lines.map((line, i) => {
    try {
      return JSON.parse(line) as Readonly<Record<string, unknown>>
    } catch (error) {
      throw notRead(path, `line ${i + 1} is not JSON: it is no file of "natsctl record", or cut off`, error)
    }
  })
  const { format, system, takenAt, masked } = parsed[0] ?? {}
  if (!isRead(fileFormats.recordedCalls, format))
    throw notRead(path, `its format is not ${numbersRead(fileFormats.recordedCalls)}: it is no file of "natsctl record"`)
  if (!isName(system) || typeof takenAt !== 'number' || !areTexts(masked)) throw notRead(path, 'line 1 is no header')
  const end = parsed.at(-1)!
  if (end.calls !== parsed.length - 2 || typeof end.lost !== 'number') throw notRead(path, 'it is cut off')
  const calls = parsed.slice(1, -1).map((line, i) => {
    const call = callIn(line)
    if (call === undefined) throw notRead(path, `line ${i + 2} is no call`)
    return call
  })
  return { system, takenAt, masked, calls, lost: end.lost }
}

function callIn(line: Readonly<Record<string, unknown>>): RecordedCall | undefined {
  const { node, number, at, host, service, version, className, method, args, end } = line
  if (!isName(node) || !isName(host) || !isName(service) || !isVersion(version) || !Array.isArray(args)) return undefined
  if (typeof className !== 'string' || typeof method !== 'string' || !isCount(number) || typeof at !== 'number') return undefined
  const ended = endIn(end)
  if (ended === undefined) return undefined
  return { node, number, at, host, service, version, className, method, args: args.map(untagged), end: ended }
}

function endIn(value: unknown): RecordedEnd | undefined {
  const end = (value ?? {}) as Readonly<Record<string, unknown>>
  if (end.is === 'answer') return { is: 'answer', value: untagged(end.value) }
  if (end.is === 'fault' && typeof end.code === 'string') return { is: 'fault', code: end.code }
  return end.is === 'untold' ? { is: 'untold' } : undefined
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function notRead(path: string | URL, why: string, cause?: unknown): Fault {
  return new Fault('config.invalid', `${path} can’t be read: ${why}`, {}, cause === undefined ? undefined : { cause })
}
