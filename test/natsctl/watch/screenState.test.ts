/** What keys do on the screen, and what keys are. */
import test from 'ava'
import { type Key, KeyReader } from '../../../natsctl/watch/keys.js'
import {
  atFirst,
  type Pressed,
  press,
  questionOf,
  type ScreenState,
  selectedIndex,
  topOf,
} from '../../../natsctl/watch/screenState.js'
import { picture, row } from './pictures.js'

const rows = Array.from({ length: 30 }, (_, i) => row(`n${String(i).padStart(2, '0')}`, { service: i < 20 ? 'pages' : 'mail' }))
const watched = picture({ rows, controls: [{ kind: 'hold', nodeId: 'n05', reason: '', since: 0 }] }).watched!

/** One key after the other; letters of a text one by one. */
function pressed(state: ScreenState, ...keys: readonly (Key | string)[]): Pressed {
  let last: Pressed = { state }
  for (const key of keys) {
    const named = typeof key === 'object' || /^(up|down|pageUp|pageDown|home|end|enter|escape|backspace|ctrl-.)$/.test(key)
    for (const one of named ? [key as Key] : [...(key as string)].map((text) => ({ text })))
      last = press(last.state, one, watched, 10)
  }
  return last
}

test('arrows, pages and ends choose a node; it stays chosen wherever it goes', (t) => {
  const selected = (...keys: readonly (Key | string)[]) => pressed(atFirst, ...keys).state.selected
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
  const chosen = { ...atFirst, selected: 'n07' }
  t.is(selectedIndex(chosen, [...rows].reverse()), 22)
  t.is(selectedIndex({ ...atFirst, selected: 'gone' }, rows), 0)
})

test('the list moves as little as it can', (t) => {
  const at = (selected: string, top: number) => topOf({ ...atFirst, selected, top }, rows, 10)
  t.is(at('n05', 0), 0)
  t.is(at('n10', 0), 1)
  t.is(at('n10', 5), 5)
  t.is(at('n03', 5), 3)
  t.is(at('n29', 0), 20)
  t.is(topOf({ ...atFirst, top: 25 }, rows.slice(0, 5), 10), 0)
})

test('what changes something asks first, and only a yes does it', (t) => {
  for (const [key, order] of [
    ['p', { kind: 'pause', version: 1 }],
    ['r', { kind: 'resume', version: 1 }],
    ['t', { kind: 'retry', version: 1 }],
    ['h', { kind: 'hold', nodeId: 'n00' }],
    ['u', { kind: 'upgrade', nodeId: 'n00' }],
  ] as const) {
    const asked = pressed(atFirst, key)
    t.is(asked.effect, undefined)
    t.deepEqual(asked.state.mode, { type: 'ask', order })
    t.true(questionOf(order, 'demo').endsWith('? y/n'))
    t.deepEqual(press(asked.state, { text: 'y' }, watched, 10).effect, { type: 'order', order })
    for (const no of [{ text: 'n' }, { text: 'q' }, 'escape'] as const) {
      const refused = press(asked.state, no, watched, 10)
      t.is(refused.effect, undefined)
      t.is(refused.state.mode.type, 'list')
    }
    for (const other of [{ text: 'p' }, { text: '?' }, 'enter', 'down'] as const) {
      const still = press(asked.state, other, watched, 10)
      t.is(still.effect, undefined)
      t.is(still.state.mode.type, 'ask')
    }
  }
  t.is(questionOf({ kind: 'pause', version: 3 }, 'demo'), 'pause version 3 of system demo? y/n')
})

test('a node that is held is released by the key that holds', (t) => {
  const state = { ...atFirst, selected: 'n05' }
  t.deepEqual(pressed(state, 'h', 'y').effect, { type: 'order', order: { kind: 'release', nodeId: 'n05' } })
})

test('the question is about the node that was chosen when it was asked', (t) => {
  const asked = pressed({ ...atFirst, selected: 'n03' }, 'u')
  const others = picture({ rows: rows.slice(10) }).watched
  t.deepEqual(press(asked.state, { text: 'y' }, others, 10).effect, { type: 'order', order: { kind: 'upgrade', nodeId: 'n03' } })
})

test('a text finds the next node, service or class with it, and the one after; Escape goes back', (t) => {
  t.is(pressed(atFirst, '/', '17').state.selected, 'n17')
  t.is(pressed(atFirst, '/', 'MAIL', 'enter').state.selected, 'n20')
  t.is(pressed(atFirst, '/', 'mail', 'enter', 'n', 'n').state.selected, 'n22')
  t.is(pressed(atFirst, '/', '179', 'backspace').state.selected, 'n17')
  t.is(pressed({ ...atFirst, selected: 'n04' }, '/', 'mail', 'escape').state.selected, 'n04')
  t.regex(pressed(atFirst, '/', 'zebra').state.message!.text, /no node, service or class has "zebra" in it/)
  // Letters are text there, not orders.
  t.is(pressed(atFirst, '/', 'pqh').state.mode.type, 'find')
})

test('the history opens for the chosen node and closes again; help goes at any key', (t) => {
  const opened = pressed(atFirst, 'down', 'enter')
  t.deepEqual(opened.effect, { type: 'openHistory', nodeId: 'n01' })
  t.deepEqual(pressed(opened.state, 'down', 'pageDown', 'up').state.mode, { type: 'history', nodeId: 'n01', top: 10 })
  const closed = pressed(opened.state, 'escape')
  t.deepEqual([closed.state.mode.type, closed.effect?.type], ['list', 'closeHistory'])
  t.is(pressed(atFirst, '?').state.mode.type, 'help')
  t.is(pressed(atFirst, '?', 'x').state.mode.type, 'list')
})

test('Ctrl-C and q end it, Ctrl-C from anywhere; keys before anything is known do no harm', (t) => {
  t.deepEqual(pressed(atFirst, 'q').effect, { type: 'quit' })
  for (const before of ['p', '/', '?', 'enter']) t.deepEqual(pressed(atFirst, before, 'ctrl-c').effect, { type: 'quit' })
  t.deepEqual(pressed(atFirst, 'ctrl-z').effect, { type: 'suspend' })
  t.deepEqual(pressed(atFirst, 'ctrl-l').effect, { type: 'redraw' })
  for (const key of ['up', 'end', 'enter', 'pageDown', { text: 'h' }, { text: 'p' }, { text: 'n' }] as const)
    t.is(press(atFirst, key, undefined, 10).effect, undefined)
})

test('keys are read from what a terminal sends, also in pieces', (t) => {
  const read = (...chunks: readonly string[]) => {
    const reader = new KeyReader()
    return [...chunks.flatMap((chunk) => [...reader.read(chunk)]), ...reader.flush()]
  }
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
