/** Text of every script lines up in a terminal: tables, the screen of a rollout, and what is cut to fit. */
import test from 'ava'
import fc from 'fast-check'
import stringWidth from 'string-width'
import { tableLines } from '../../natsctl/output/output.js'
import { cut, fitted, padded, printable, widthOf } from '../../natsctl/output/width.js'
import { textOf } from '../../natsctl/watch/styledLine.js'
import { layOutTable } from '../../natsctl/watch/tableLayout.js'

test('texts take as many columns as a terminal gives them', (t) => {
  const widths = {
    abc: 3,
    漢字: 4,
    'e\u0301': 1,
    '👍': 2,
    '🇩🇪': 2,
    '👍🏽': 2,
    𗀀: 2,
    한글: 4,
    ｶﾞ: 2,
    นำ: 2,
    '\u001b[32mok\u001b[39m': 2,
  }
  for (const [text, width] of Object.entries(widths)) t.is(widthOf(text), width, text)
})

test('a text is cut between the characters that people see, and filled up to its column', (t) => {
  t.deepEqual([cut('漢字漢字', 5), cut('abcdef', 4), cut('abc', 3), cut('abc', 0)], ['漢字…', 'abc…', 'abc', ''])
  t.deepEqual([cut('🇩🇪🇫🇷🇮🇹', 5), cut('a👍🏽bcd', 4), cut('e\u0301e\u0301e\u0301', 2)], ['🇩🇪🇫🇷…', 'a👍🏽…', 'e\u0301…'])
  t.deepEqual(
    [fitted('漢', 4), fitted('7', 3, 'right'), padded('漢字', 3), widthOf(fitted('漢字漢字', 4))],
    ['漢  ', '  7', '漢字', 4],
  )
})

test('nothing that is printed moves a cursor, turns the direction or is joined as only some terminals join it', (t) => {
  t.is(printable('a\u001b[2J\u202eb\ud800'), 'a [2J b\ufffd')
  t.deepEqual([printable('👩\u200d🚀'), widthOf(printable('👩\u200d🚀'))], ['👩 🚀', 5])
})

const names = ['日本語', '👩\u200d🚀', '🇩🇪 Berlin', 'ไทยนำ', '👍🏽', '𗀀𗀁', 'e\u0301e\u0301', '❤\ufe0f', 'plain']

test('a table lines up whatever script its cells are in', (t) => {
  const rows = names.map((name) => [name, { text: name, style: 'red' as const }, '|'])
  const columns = tableLines(['NAME', '名前', 'END'], rows, true).map((line) => stringWidth(line.replace(/(\||\S*END\S*)$/u, '')))
  t.is(new Set(columns).size, 1, String(columns))
})

test('the columns of the screen line up whatever script its cells are in, also where they are cut', (t) => {
  const columns = [
    { title: 'NAME', rank: 1, cell: (name: string) => name },
    { title: 'SHORT', rank: 2, max: 4, cell: (name: string) => ({ text: name, style: 'red' as const }) },
  ]
  const { lines } = layOutTable(columns, names, 60)
  const widths = lines.map((line) => line.map((span) => stringWidth(textOf(span))))
  t.is(new Set(widths.map(String)).size, 1, widths.join(' | '))
})

test('whatever text is made to fit is exactly as wide as it has to be', (t) => {
  const parts = fc.constantFrom(
    ...names,
    'a',
    ' ',
    '語',
    '\u0301',
    '\u200d',
    '🏽',
    '🇩',
    '\ufe0f',
    '1\ufe0f\u20e3',
    '가',
    '\u1100',
    '\ud83d',
  )
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), fc.integer({ min: 0, max: 20 }), (some, columns) => {
      t.is(stringWidth(fitted(printable(some.join('')), columns)), columns)
    }),
  )
})
