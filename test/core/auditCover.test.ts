/** The documents that are there and that no entry of the audit tells of. */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import type { AuditEntry, Audited } from '../../core/control/audit.js'
import { uncovered } from '../../core/control/auditCover.js'
import { type Directive, decodeDirective, encodeDirective } from '../../core/control/directive.js'
import type { Signed } from '../../core/trust/signed.js'

const manifest = (version: number): Signed => ({ bytes: new TextEncoder().encode(`manifest ${version}`), signature: null })
const digestAt = (version: number): string | null => (version === 0 ? null : digestOf(manifest(version).bytes))
const history = (newest: number): readonly Signed[] => Array.from({ length: newest }, (_, i) => manifest(i + 1))

/** RFC 3339: so many hours after the beginning. */
const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour)).toISOString()

function order(number: number, hour: number, head: number): Signed {
  const bytes = encodeDirective({
    ...{ format: 2, system: 'shop', number, createdAt: at(hour), upgrader: null, head: digestAt(head), log: 'log1' },
    what: { order: 'forget', nodeId: 'n1' },
  })
  return { bytes, signature: null }
}

const told = (number: number, hour: number, head: number, what: Audited, outcome = 'done'): AuditEntry => ({
  ...{ format: 1, number, at: at(hour), what, outcome, times: 1, by: [], from: null, log: 'log1', previous: null },
  head: { version: head, digest: digestAt(head) },
})
const install = (number: number, hour: number, version: number, outcome?: string): AuditEntry =>
  told(
    number,
    hour,
    outcome === undefined ? version : version - 1,
    { act: 'install', version, digest: digestAt(version)! },
    outcome,
  )
const directed = (number: number, hour: number, head: number, signed: Signed): AuditEntry =>
  told(number, hour, head, { act: 'order', number: 1, words: 'forget n1', digest: digestOf(signed.bytes) })
const lost = (number: number, hour: number, head: number): AuditEntry => told(number, hour, head, { act: 'lost', known: null })

const shown = (found: ReturnType<typeof uncovered>) => found.map(({ kind, number, why }) => `${kind} ${number} ${why}`)

test('what has an entry is covered, whichever act brought it', (t) => {
  const [first, second] = [order(1, 3, 2), order(2, 4, 3)]
  const entries = [
    install(1, 1, 1),
    told(2, 2, 2, { act: 'teach', version: 2, digest: digestAt(2)! }),
    directed(3, 3, 2, first),
    told(4, 3, 3, { act: 'undo', version: 3, undoes: 2, digest: digestAt(3)! }),
    directed(5, 4, 3, second),
  ]
  t.deepEqual(uncovered({ manifests: history(3), directives: [first, second] }, entries), [])
})

test('a version or a directive without an entry is named; one that was refused has none either', (t) => {
  const stray = order(7, 3, 2)
  const entries = [install(1, 1, 1), install(2, 2, 2, 'upgrade.signature'), install(3, 4, 3)]
  const found = uncovered({ manifests: history(4), directives: [stray] }, entries)
  t.deepEqual(shown(found), ['version 2 none', 'version 4 none', 'directive 7 none'])
  t.is(found[0]!.digest, digestAt(2)!)
  const unreadable = { bytes: new Uint8Array([1]), signature: null }
  t.deepEqual(shown(uncovered({ manifests: [], directives: [unreadable] }, entries)), ['directive null none'])
})

test('a history that is older than the audit is from before it began, to the first entry and no further', (t) => {
  const entries = [install(1, 5, 3), install(2, 6, 4)]
  const directives = [order(1, 1, 1), order(2, 4, 2), order(3, 7, 4)]
  t.deepEqual(shown(uncovered({ manifests: history(5), directives }, entries)), [
    'version 1 before',
    'version 2 before',
    'version 5 none',
    'directive 1 before',
    'directive 2 before',
    'directive 3 none',
  ])
  // Without any entry the audit has not begun.
  t.deepEqual(shown(uncovered({ manifests: history(1), directives: [order(1, 1, 0)] }, [])), [
    'version 1 before',
    'directive 1 before',
  ])
})

test('a directive that says that it is old, or names no head, is from before the audit only if none before it has an entry', (t) => {
  const first = order(1, 3, 1)
  const entries = [install(1, 2, 1), directed(2, 3, 1, first)]
  const none = { bytes: encodeDirective({ ...decodeDirective(order(2, 9, 0).bytes), format: 1 } as Directive), signature: null }
  t.deepEqual(shown(uncovered({ manifests: [], directives: [none] }, entries)), ['directive 2 none'])
  const old = order(2, 1, 1)
  t.deepEqual(shown(uncovered({ manifests: history(1), directives: [old, first] }, entries)), ['directive 2 before'])
  t.deepEqual(shown(uncovered({ manifests: history(1), directives: [first, old] }, entries)), ['directive 2 none'])
  const elsewhere = order(2, 1, 7)
  t.deepEqual(shown(uncovered({ manifests: history(1), directives: [elsewhere] }, entries)), ['directive 2 none'])
})

test('where the database lost something, the entry may be among that; after it none is', (t) => {
  const entries = [install(1, 1, 1), lost(2, 5, 3)]
  const directives = [order(1, 4, 3), order(2, 6, 3)]
  t.deepEqual(shown(uncovered({ manifests: history(4), directives }, entries)), [
    'version 2 lost',
    'version 3 lost',
    'version 4 none',
    'directive 1 lost',
    'directive 2 none',
  ])
})

test('what had no entry at the one that the reader knows was looked at then', (t) => {
  const entries = [install(1, 1, 1), install(2, 3, 3), install(3, 5, 5)]
  t.deepEqual(shown(uncovered({ manifests: history(5), directives: [] }, entries, 2)), ['version 2 known', 'version 4 none'])
})

test('a directive is from before the audit where its time and its head are no later than the first entry', (t) => {
  const why = (signed: Signed, first: AuditEntry) =>
    uncovered({ manifests: history(3), directives: [signed] }, [first]).find(({ kind }) => kind === 'directive')?.why
  t.is(why(order(1, 5, 2), lost(1, 5, 2)), 'before')
  t.is(why(order(1, 5, 3), lost(1, 5, 2)), 'none')
  t.is(why(order(1, 6, 2), lost(1, 5, 2)), 'none')
  // An order at version 0, and one of release 0.1.0, name no version's manifest.
  t.is(why(order(1, 5, 0), lost(1, 5, 0)), 'before')
  const { head: _, log: __, ...rest } = decodeDirective(order(1, 5, 0).bytes) as Directive & { head: unknown; log: unknown }
  const first = { bytes: encodeDirective({ ...rest, format: 1 } as Directive), signature: null }
  t.is(why(first, lost(1, 5, 0)), 'before')
})
