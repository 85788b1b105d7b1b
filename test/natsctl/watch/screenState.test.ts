/** The effects of keys on the screen, and what keys are. */
import test from 'ava'
import { type Key, KeyReader } from '../../../natsctl/watch/keys.js'
import {
  confirmationOf,
  handleKey,
  initialScreenState,
  type KeyResult,
  type ScreenState,
  selectedIndex,
  topOf,
} from '../../../natsctl/watch/screenState.js'
import { content, row } from './screenContents.js'

const rows = Array.from({ length: 30 }, (_, i) => row(`n${String(i).padStart(2, '0')}`, { service: i < 20 ? 'pages' : 'mail' }))
const watched = content({ rows, controls: [{ kind: 'hold', nodeId: 'n05', reason: '', since: 0 }] }).watched!

/** One key after the other; letters of a text one by one. */
function pressed(state: ScreenState, ...keys: readonly (Key | string)[]): KeyResult {
  let last: KeyResult = { state }
  for (const key of keys) {
    const named = typeof key === 'object' || /^(up|down|pageUp|pageDown|home|end|enter|escape|backspace|ctrl-.)$/.test(key)
    for (const one of named ? [key as Key] : [...(key as string)].map((text) => ({ text })))
      last = handleKey(last.state, one, watched, 10)
  }
  return last
}

test('arrows, pages and ends choose a node; it stays chosen wherever it goes', (t) => {
  const selected = (...keys: readonly (Key | string)[]) => pressed(initialScreenState, ...keys).state.selected
  t.is(selected('down'), 'n01')
  t.is(selected('down', 'down', 'up'), 'n01')
  t.is(selected('down', 'up'), undefined)
  t.is(selected('up'), undefined)
  t.is(selected('pageDown'), 'n10')
  t.is(selected('pageDown', 'pageDown', 'pageDown', 'pageDown'), 'n29')
  t.is(selected('end'), 'n29')
  t.is(selected('end', 'pageUp'), 'n19')
  t.is(selected('end', 'home'), undefined)
  t.is(selected('j', 'j', 'k'), 'n01')
  const chosen = { ...initialScreenState, selected: 'n07' }
  t.is(selectedIndex(chosen, [...rows].reverse()), 22)
  t.is(selectedIndex({ ...initialScreenState, selected: 'gone' }, rows), 0)
})

test('the list moves as little as it can', (t) => {
  const at = (selected: string, top: number) => topOf({ ...initialScreenState, selected, top }, rows, 10)
  t.is(at('n05', 0), 0)
  t.is(at('n10', 0), 1)
  t.is(at('n10', 5), 5)
  t.is(at('n03', 5), 3)
  t.is(at('n29', 0), 20)
  t.is(topOf({ ...initialScreenState, top: 25 }, rows.slice(0, 5), 10), 0)
})

test('what changes something asks first, and only a yes does it', (t) => {
  for (const [key, order] of [
    ['p', { kind: 'pause', version: 1 }],
    ['r', { kind: 'resume', version: 1 }],
    ['t', { kind: 'retry', version: 1 }],
    ['h', { kind: 'hold', nodeId: 'n00' }],
    ['u', { kind: 'upgrade', nodeId: 'n00' }],
  ] as const) {
    const asked = pressed(initialScreenState, key)
    t.is(asked.effect, undefined)
    t.deepEqual(asked.state.mode, { type: 'ask', order })
    t.true(confirmationOf(order, 'demo').endsWith('? y/n'))
    t.deepEqual(handleKey(asked.state, { text: 'y' }, watched, 10).effect, { type: 'order', order })
    for (const no of [{ text: 'n' }, { text: 'q' }, 'escape'] as const) {
      const refused = handleKey(asked.state, no, watched, 10)
      t.is(refused.effect, undefined)
      t.is(refused.state.mode.type, 'list')
    }
    for (const other of [{ text: 'p' }, { text: '?' }, 'enter', 'down'] as const) {
      const still = handleKey(asked.state, other, watched, 10)
      t.is(still.effect, undefined)
      t.is(still.state.mode.type, 'ask')
    }
  }
  t.is(confirmationOf({ kind: 'pause', version: 3 }, 'demo'), 'pause version 3 of system demo? y/n')
})

test('a node that is held is released by the key that holds', (t) => {
  const state = { ...initialScreenState, selected: 'n05' }
  t.deepEqual(pressed(state, 'h', 'y').effect, { type: 'order', order: { kind: 'release', nodeId: 'n05' } })
})

test('the question is about the node that was chosen when it was asked', (t) => {
  const asked = pressed({ ...initialScreenState, selected: 'n03' }, 'u')
  const others = content({ rows: rows.slice(10) }).watched
  t.deepEqual(handleKey(asked.state, { text: 'y' }, others, 10).effect, {
    type: 'order',
    order: { kind: 'upgrade', nodeId: 'n03' },
  })
})

test('a text finds the next node, service or class with it, and the one after; Escape goes back', (t) => {
  t.is(pressed(initialScreenState, '/', '17').state.selected, 'n17')
  t.is(pressed(initialScreenState, '/', 'MAIL', 'enter').state.selected, 'n20')
  t.is(pressed(initialScreenState, '/', 'mail', 'enter', 'n', 'n').state.selected, 'n22')
  t.is(pressed(initialScreenState, '/', '179', 'backspace').state.selected, 'n17')
  for (const character of ['👍🏽', '🇩🇪', 'e\u0301', '語'])
    t.like(pressed(initialScreenState, '/', `1${character}`, 'backspace').state.mode, { text: '1' }, character)
  t.is(pressed({ ...initialScreenState, selected: 'n04' }, '/', 'mail', 'escape').state.selected, 'n04')
  t.regex(pressed(initialScreenState, '/', 'zebra').state.message!.text, /no node, service or class has "zebra" in it/)
  // Letters are text there, not orders.
  t.is(pressed(initialScreenState, '/', 'pqh').state.mode.type, 'find')
})

test('the history opens for the chosen node and closes again; help goes at any key', (t) => {
  const opened = pressed(initialScreenState, 'down', 'enter')
  t.deepEqual(opened.effect, { type: 'openHistory', nodeId: 'n01' })
  t.deepEqual(pressed(opened.state, 'down', 'pageDown', 'up').state.mode, { type: 'history', nodeId: 'n01', top: 10 })
  const closed = pressed(opened.state, 'escape')
  t.deepEqual([closed.state.mode.type, closed.effect?.type], ['list', 'closeHistory'])
  t.is(pressed(initialScreenState, '?').state.mode.type, 'help')
  t.is(pressed(initialScreenState, '?', 'x').state.mode.type, 'list')
})

test('Ctrl-C and q end it, Ctrl-C from anywhere; keys before anything is known do no harm', (t) => {
  t.deepEqual(pressed(initialScreenState, 'q').effect, { type: 'quit' })
  for (const before of ['p', '/', '?', 'enter'])
    t.deepEqual(pressed(initialScreenState, before, 'ctrl-c').effect, { type: 'quit' })
  t.deepEqual(pressed(initialScreenState, 'ctrl-z').effect, { type: 'suspend' })
  t.deepEqual(pressed(initialScreenState, 'ctrl-l').effect, { type: 'redraw' })
  for (const key of ['up', 'end', 'enter', 'pageDown', { text: 'h' }, { text: 'p' }, { text: 'n' }] as const)
    t.is(handleKey(initialScreenState, key, undefined, 10).effect, undefined)
})

const read = (...chunks: readonly string[]) => {
  const reader = new KeyReader()
  return [...chunks.flatMap((chunk) => [...reader.read(chunk)]), ...reader.flush()]
}

test('keys are read from what a terminal sends, also in pieces', (t) => {
  t.deepEqual(read('\u001b[A\u001bOB\u001b[5~\u001b[6~\u001b[H\u001b[4~'), ['up', 'down', 'pageUp', 'pageDown', 'home', 'end'])
  t.deepEqual(read('\u001b', '[', 'A'), ['up'])
  t.deepEqual(read('\u001b'), ['escape'])
  t.deepEqual(read('\u001b[1;5', 'Cq'), [{ text: 'q' }])
  t.deepEqual(read('\u001bp'), [])
  t.deepEqual(read('\r\u007f\u0003\u001a\u000c'), ['enter', 'backspace', 'ctrl-c', 'ctrl-z', 'ctrl-l'])
  t.deepEqual(read('é漢👍'), [{ text: 'é' }, { text: '漢' }, { text: '👍' }])
  t.deepEqual(read('a\u001b[200~yyq\u0003', '\r\u001b[20', '1~b'), [{ text: 'a' }, { text: 'b' }])
  t.deepEqual(read('\u0001\u0002\t'), [])
})

test('a key with Alt, Shift or Ctrl is one key, however a terminal spells it', (t) => {
  for (const alt of ['\u001b[1;3A', '\u001b\u001b[A', '\u001b[1;10A', '\u001bO5A', '\u001bOA', '\u001b\u001bOA'])
    t.deepEqual(read(`${alt}x`), ['up', { text: 'x' }], JSON.stringify(alt))
  t.deepEqual(read('\u001b[5;3~\u001b\u001b[6~'), ['pageUp', 'pageDown'])
  t.deepEqual(read('\u001b\u001b'), ['escape'])
  t.deepEqual(read('\u001bp\u001bé\u001b\r'), [])
})

const notKeys = {
  'F1 of the Linux console': '\u001b[[A',
  'a key of the keyboard protocol of kitty': '\u001b[112;5u',
  'a key of xterm with modifyOtherKeys': '\u001b[27;5;112~',
  'a click': '\u001b[<35;20;10m',
  'a click of an old terminal': '\u001b[M pq',
  'the focus': '\u001b[I\u001b[O',
  'attributes of the device': '\u001b[?62;22c',
  'the place of the cursor': '\u001b[12;40R',
  'a colour': '\u001b]11;rgb:0000/0000/qqpp\u0007',
  'a colour, ended by ST': '\u001b]11;qp\u001b\\',
  'an answer to DECRQSS': '\u001bP1$rqp\u001b\\',
  'control characters of eight bits': '\u009b\u0085',
}

test('nothing of what else a terminal sends is taken for a letter, which would be an order, wherever it is cut in two', (t) => {
  for (const [what, sent] of Object.entries(notKeys))
    for (let at = 0; at <= sent.length; at++)
      t.deepEqual(read('a', sent.slice(0, at), `${sent.slice(at)}b`), [{ text: 'a' }, { text: 'b' }], `${what}, cut at ${at}`)
})

test('a sequence without an end keeps nothing: it is bounded, and what is pressed next is a key again', (t) => {
  const reader = new KeyReader()
  for (let n = 0; n < 100; n++) reader.read(`\u001b]${'x'.repeat(100)}`.slice(n === 0 ? 0 : 2))
  reader.flush()
  t.deepEqual(reader.read('q'), [{ text: 'q' }])
  t.deepEqual(reader.read('\u001b[1'), [])
  t.is(reader.waits, 'sequence')
  t.deepEqual(reader.read('\rq'), ['enter', { text: 'q' }])
  for (const begun of ['\u001b[1', '\u001bO', '\u001b]x', '\u001bPx'])
    t.deepEqual(read(begun, '\u0003', begun, '\u001b[A'), ['ctrl-c', 'up'], JSON.stringify(begun))
})
