/** Undos in a history: which upgrade one is about, and what it does to that one's tables. */
import test from 'ava'
import type { TableEntries } from '../../core/model/tables.js'
import { tablesOf } from '../../core/upgrade/undo.js'

const manifest = (version: number, undoes: number | null, key?: string) => ({
  version,
  undoes,
  tables: (key === undefined ? {} : { t: { [key]: 'yes' } }) as TableEntries,
})

test('an undo takes back the tables of its upgrade, the undo of an undo brings them again, and so on', (t) => {
  const history = [manifest(1, null, 'a'), manifest(2, 1), manifest(3, 2), manifest(4, 3), manifest(5, null, 'b'), manifest(6, 5)]
  t.deepEqual(
    history.map((each) => {
      const { entries, undone } = tablesOf(history, each)
      return [Object.keys(entries.t ?? {}).join(), undone]
    }),
    [
      ['a', null],
      ['a', { way: 'takesBack', of: 1 }],
      ['a', { way: 'bringsAgain', of: 1 }],
      ['a', { way: 'takesBack', of: 1 }],
      ['b', null],
      ['b', { way: 'takesBack', of: 5 }],
    ],
  )
  // Of an upgrade that is not there nothing is known.
  t.deepEqual(tablesOf([], manifest(2, 1)), { entries: {}, undone: null })
})
