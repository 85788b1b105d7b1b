/**
 * The data of the upgrade database of an embedded system, as they are kept in a store: entries by key, so
 * that a change writes no more than has changed.
 *
 * K1. Kept is all that an upgrade database is the authority for, and the rows. Stamps and the servers that
 *     were heard are of processes, and end with the one that keeps this.
 * K2. Time stands still while no process keeps it: it goes on where the last change was written. So no lease
 *     runs out meanwhile, and a restart that loses nothing is no loss (core/control/standing.ts).
 */
import { Fault } from '../../core/base/fault.js'
import { isRead, localFormats, numbersRead } from '../../core/base/formats.js'
import { type Control, controlKey } from '../../core/control/control.js'
import type { Attendance } from '../../core/control/standing.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { MemoryAudit } from './memoryAudit.js'
import { newSystem, type SystemData } from './memorySystem.js'
import { TrackedMap } from './trackedMap.js'

/** An entry: the same value as before is not written again. */
export interface KeptEntry {
  readonly key: string
  readonly value: unknown
  bytes(): Uint8Array
}

/** The parts that change together. */
export type Section = 'facts' | 'manifests' | 'bundles' | 'slots' | 'controls' | 'directives' | 'audit' | 'tables'

const formatKey = 'format'
const timeKey = 'time'
const factsKey = 'facts'
/** Wide enough for every number that a key has. */
const digits = 12

type Facts = Pick<SystemData, 'head' | 'directiveLog' | 'death' | 'final' | 'level'>

type Registration = SystemData['nodes'] extends Map<string, infer R> ? R : never

/** The entries of a section, as the data are now. */
export function entriesOf(section: Section, data: SystemData): KeptEntry[] {
  switch (section) {
    case 'facts':
      return [textEntry(factsKey, factsText(data))]
    case 'manifests':
      return data.manifests.map((manifest, i) => ({
        ...{ key: `manifest/${numbered(i + 1)}`, value: manifest },
        bytes: () => pack([manifest.bytes, manifest.signature]),
      }))
    case 'bundles':
      return [...data.chunks].flatMap(([digest, chunks]) => {
        const about = JSON.stringify([data.bundleWrites.get(digest) ?? 0, data.stagedUntilMs.get(digest) ?? null])
        return [
          textEntry(`bundle/${digest}`, about),
          ...[...chunks].map(([index, bytes]) => bytesEntry(`chunk/${digest}/${numbered(index)}`, bytes)),
        ]
      })
    case 'slots':
      return [...data.slots].flatMap(([service, ids]) => [...ids].map((id) => textEntry(`slot/${service}/${id}`, '-')))
    case 'controls':
      return [...data.controls.values()].map((control) => valueEntry(`control/${controlKey(control)}`, control))
    case 'directives':
      return data.directives.map((directive) => ({
        ...{ key: `directive/${numbered(directive.number)}`, value: directive },
        bytes: () => pack([directive.bytes, directive.signature, directive.result]),
      }))
    case 'audit':
      return [
        textEntry('auditHead', JSON.stringify([data.audit.head, data.audit.bytes])),
        ...data.audit.entries.map((bytes, i) => bytesEntry(`audit/${numbered(data.audit.head.first + i)}`, bytes)),
      ]
    case 'tables':
      return [...data.tables].flatMap(([name, table]) =>
        [...table].map(([key, value]) => textEntry(`table/${name}/${key}`, value)),
      )
  }
}

/** The rows of nodes. There may be many, and a change is of one: they are not gone through. */
export class KeptRows {
  readonly #nodes: TrackedMap<string, Registration>
  readonly #forgotten: TrackedMap<string, number>

  /** From now on the data know which of their rows change. */
  constructor(data: SystemData) {
    const rows = { nodes: new TrackedMap(data.nodes), forgotten: new TrackedMap(data.forgotten) }
    Object.assign(data, rows)
    this.#nodes = rows.nodes
    this.#forgotten = rows.forgotten
  }

  /** All of them, and the deletion of those in the store that are not there. */
  all(stored: Pick<StateStore, 'range'>): Write[] {
    const writes = new Map<string, Uint8Array | null>()
    for (const folder of ['node', 'forgotten'])
      for (const [key] of stored.range(`${folder}/`, `${folder}0`)) writes.set(key, null)
    for (const id of this.#nodes.keys()) writes.set(...this.#node(id))
    for (const id of this.#forgotten.keys()) writes.set(...this.#forget(id))
    this.changes()
    return [...writes]
  }

  /** Those that have changed since it was asked last. */
  changes(): Write[] {
    const nodes = [...this.#nodes.takeChanged()].map((id) => this.#node(id))
    return [...nodes, ...[...this.#forgotten.takeChanged()].map((id) => this.#forget(id))]
  }

  /** These changes were not written: they are told again. */
  unwritten(writes: readonly Write[]): void {
    for (const [key] of writes) {
      const [folder, id] = split(key)
      if (folder === 'node') this.#nodes.touch(id)
      else this.#forgotten.touch(id)
    }
  }

  #node(id: string): Write {
    const row = this.#nodes.get(id)
    return [`node/${id}`, row === undefined ? null : new TextEncoder().encode(JSON.stringify(row))]
  }

  #forget(id: string): Write {
    const sinceMs = this.#forgotten.get(id)
    return [`forgotten/${id}`, sinceMs === undefined ? null : new TextEncoder().encode(String(sinceMs))]
  }
}

/** The entries that every change writes. */
export function stampEntries(nowMs: number): KeptEntry[] {
  return [textEntry(formatKey, String(localFormats.embedded.newest)), textEntry(timeKey, String(nowMs))]
}

/** The data that were kept, and the moment. Throws `config.layout` for those of a later release. */
export function readKept(store: Pick<StateStore, 'get' | 'range'>): { readonly data: SystemData; readonly nowMs: number } {
  const text = (key: string): string | undefined => {
    const bytes = store.get(key)
    return bytes && textOf(bytes)
  }
  const data = newSystem()
  const format = text(formatKey)
  if (format === undefined) return { data, nowMs: 0 }
  if (!isRead(localFormats.embedded, Number(format))) {
    const read = numbersRead(localFormats.embedded)
    const message = `the upgrade database beside the state has format ${format}, and this release of Theseus reads ${read}`
    throw new Fault('config.layout', `${message}: use a release that knows it`)
  }
  const nowMs = Number(text(timeKey) ?? 0)
  const under = function* (folder: string): Generator<readonly [name: string, bytes: Uint8Array]> {
    // '0' is the character after '/'.
    for (const [key, bytes] of store.range(`${folder}/`, `${folder}0`)) yield [key.slice(folder.length + 1), bytes]
  }
  readFacts(data, text(factsKey), nowMs)
  for (const [, bytes] of under('manifest')) {
    const [manifest, signature] = unpack(bytes) as [Uint8Array, Uint8Array | null]
    data.manifests.push({ bytes: manifest, signature })
  }
  for (const [digest, bytes] of under('bundle')) {
    const [writes, stagedUntilMs] = JSON.parse(textOf(bytes)) as [number, number | null]
    data.chunks.set(digest, new Map())
    data.bundleWrites.set(digest, writes)
    if (stagedUntilMs !== null) data.stagedUntilMs.set(digest, stagedUntilMs)
  }
  for (const [name, bytes] of under('chunk')) {
    const [digest, index] = split(name)
    data.chunks.get(digest)?.set(Number(index), new Uint8Array(bytes))
  }
  for (const [name] of under('slot')) {
    const [service, id] = split(name)
    data.slots.set(service, (data.slots.get(service) ?? new Set<string>()).add(id))
  }
  for (const [key, bytes] of under('control')) data.controls.set(key, JSON.parse(textOf(bytes)) as Control)
  data.directives = [...under('directive')].map(([number, bytes]) => {
    const [directive, signature, result] = unpack(bytes) as [Uint8Array, Uint8Array | null, boolean | number]
    return { number: Number(number), bytes: directive, signature, result }
  })
  const auditText = text('auditHead')
  if (auditText !== undefined) {
    const [head, bytes] = JSON.parse(auditText) as [MemoryAudit['head'], number]
    data.audit = { head, bytes, entries: [...under('audit')].map(([, entry]) => new Uint8Array(entry)) }
  }
  for (const [name, bytes] of under('table')) {
    const [table, key] = split(name)
    data.tables.set(table, (data.tables.get(table) ?? new Map<string, string>()).set(key, textOf(bytes)))
  }
  for (const [id, bytes] of under('node')) {
    const { status, leaseEndsMs, start, predecessor } = JSON.parse(textOf(bytes)) as Registration
    data.nodes.set(id, { status, leaseEndsMs, start, predecessor })
  }
  for (const [id, bytes] of under('forgotten')) data.forgotten.set(id, Number(textOf(bytes)))
  return { data, nowMs }
}

/** When somebody was heard last is left out: it would be another with each question. */
type KeptAttendance = Omit<Attendance, 'heardMs'>

function factsText({ head, directiveLog, death, deathDueMs, final, level, attendance }: SystemData): string {
  const { heardMs: _, ...kept } = attendance ?? { heardMs: 0 }
  const due = Number.isFinite(deathDueMs) ? deathDueMs : null
  return JSON.stringify({ head, directiveLog, death, due, final, level, ...(attendance && { attendance: kept }) })
}

function readFacts(data: SystemData, text: string | undefined, nowMs: number): void {
  if (text === undefined) return
  const facts = JSON.parse(text) as Facts & { readonly due: number | null; readonly attendance?: KeptAttendance }
  const { due, attendance, head, directiveLog, death, final, level } = facts
  Object.assign(data, { head, directiveLog, death, final, level })
  if (due !== null) data.deathDueMs = due
  if (attendance !== undefined) data.attendance = { ...attendance, heardMs: nowMs }
}

function textEntry(key: string, text: string): KeptEntry {
  return { key, value: text, bytes: () => new TextEncoder().encode(text) }
}

/** The same value is the same object: none is changed in its place. */
function valueEntry(key: string, value: object): KeptEntry {
  return { key, value, bytes: () => new TextEncoder().encode(JSON.stringify(value)) }
}

function bytesEntry(key: string, bytes: Uint8Array): KeptEntry {
  return { key, value: bytes, bytes: () => bytes }
}

function numbered(number: number): string {
  return String(number).padStart(digits, '0')
}

function split(name: string): [first: string, rest: string] {
  const slash = name.indexOf('/')
  return [name.slice(0, slash), name.slice(slash + 1)]
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
