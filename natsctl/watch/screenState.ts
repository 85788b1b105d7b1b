/**
 * The acts of a person at the screen, and their effects. Pure: a key and a state become another
 * state, and perhaps an effect.
 */
import type { NodeRow, Version } from 'theseus-actors'
import { withoutLast } from '../output/width.js'
import type { Key } from './keys.js'
import { holdsOf, type WatchedRollout } from './watchedRollout.js'

/** The orders to the upgrade server. */
export type WatchOrder =
  | { readonly kind: 'pause' | 'resume' | 'retry' | 'undo'; readonly version: Version }
  /** `share`: of a hundred nodes; null: the next step. */
  | { readonly kind: 'promote'; readonly version: Version; readonly share: number | null }
  | { readonly kind: 'hold' | 'release' | 'upgrade'; readonly nodeId: string }

export type Mode =
  | { readonly type: 'list' }
  | { readonly type: 'ask'; readonly order: WatchOrder }
  | { readonly type: 'find'; readonly text: string; readonly before: string | undefined }
  | { readonly type: 'help' }
  | { readonly type: 'history'; readonly nodeId: string; readonly top: number }

export interface ScreenState {
  readonly mode: Mode
  /** A node, wherever it goes to; undefined: whoever is first. */
  readonly selected: string | undefined
  /** The first row of the list that is shown. */
  readonly top: number
  readonly found: string
  /** The result of the last order. */
  readonly message: { readonly text: string; readonly isFault: boolean } | undefined
}

export type Effect =
  | { readonly type: 'order'; readonly order: WatchOrder }
  | { readonly type: 'redraw' | 'quit' | 'suspend' | 'closeHistory' }
  | { readonly type: 'openHistory'; readonly nodeId: string }

export interface KeyResult {
  readonly state: ScreenState
  readonly effect?: Effect
}

export const initialScreenState: ScreenState = {
  mode: { type: 'list' },
  selected: undefined,
  top: 0,
  found: '',
  message: undefined,
}

const findLengthMax = 64

/** @param page how many rows the screen shows */
export function handleKey(state: ScreenState, key: Key, watched: WatchedRollout | undefined, page: number): KeyResult {
  if (key === 'ctrl-c') return { state, effect: { type: 'quit' } }
  if (key === 'ctrl-z') return { state, effect: { type: 'suspend' } }
  if (key === 'ctrl-l') return { state, effect: { type: 'redraw' } }
  const { mode } = state
  switch (mode.type) {
    case 'list':
      return inList({ ...state, message: undefined }, key, watched, page)
    case 'ask':
      return inQuestion(state, mode, key)
    case 'find':
      return { state: inFind(state, mode, key, watched) }
    case 'help':
      return { state: { ...state, mode: { type: 'list' } } }
    case 'history':
      return inHistory(state, mode, key, page)
  }
}

export function confirmationOf(order: WatchOrder, system: string): string {
  switch (order.kind) {
    case 'pause':
    case 'resume':
      return `${order.kind} version ${order.version} of system ${system}? y/n`
    case 'retry':
      return `let nodes try version ${order.version} of system ${system} again? y/n`
    case 'undo':
      return `undo version ${order.version} of system ${system}? y/n`
    case 'promote':
      return order.share === null
        ? `let the next step of version ${order.version} of system ${system} go now? y/n`
        : `let all nodes of system ${system} go to version ${order.version} now? y/n`
    case 'hold':
    case 'release':
      return `${order.kind} node ${order.nodeId}? y/n`
    case 'upgrade':
      return `upgrade node ${order.nodeId} now, whatever its schedule or a pause say? y/n`
  }
}

export function selectedIndex({ selected }: ScreenState, rows: readonly NodeRow[]): number {
  return Math.max(0, selected === undefined ? 0 : rows.findIndex(({ nodeId }) => nodeId === selected))
}

/** Where the list begins so that the selected row is on the screen, moved as little as can be. */
export function topOf(state: ScreenState, rows: readonly NodeRow[], page: number): number {
  const index = selectedIndex(state, rows)
  const top = Math.max(index - page + 1, Math.min(state.top, index))
  return Math.max(0, Math.min(top, rows.length - page))
}

function inList(state: ScreenState, key: Key, watched: WatchedRollout | undefined, page: number): KeyResult {
  const rows = watched?.rows ?? []
  const index = selectedIndex(state, rows)
  const select = (to: number): KeyResult => ({
    // Back at the beginning it is again whoever is first.
    state: { ...state, selected: to <= 0 ? undefined : rows[Math.min(to, rows.length - 1)]?.nodeId },
  })
  switch (key) {
    case 'up':
      return select(index - 1)
    case 'down':
      return select(index + 1)
    case 'pageUp':
      return select(index - page)
    case 'pageDown':
      return select(index + page)
    case 'home':
      return select(0)
    case 'end':
      return select(rows.length - 1)
    case 'enter': {
      const nodeId = rows[index]?.nodeId
      if (nodeId === undefined) return { state }
      return { state: { ...state, mode: { type: 'history', nodeId, top: 0 } }, effect: { type: 'openHistory', nodeId } }
    }
    case 'escape':
    case 'backspace':
    case 'ctrl-u':
      return { state }
    default:
      return typeof key === 'object' ? letter(state, key.text, watched, rows[index]) : { state }
  }
}

/** Steps bake until the last of them. */
function hasNextStep(watched: WatchedRollout | undefined): boolean {
  return watched?.schedules.some(({ steps }) => steps !== undefined && steps.current < steps.steps.length - 1) ?? false
}

function letter(state: ScreenState, text: string, watched: WatchedRollout | undefined, row: NodeRow | undefined): KeyResult {
  const ask = (order: WatchOrder): KeyResult => ({ state: { ...state, mode: { type: 'ask', order } } })
  const onVersion = (orderOf: (version: Version) => WatchOrder): KeyResult => {
    const version = watched?.rollout.goal ?? 0
    return version === 0 ? told(state, 'the system runs version 0: there is no rollout') : ask(orderOf(version))
  }
  const onNode = (kindOf: (nodeId: string) => 'hold' | 'release' | 'upgrade'): KeyResult =>
    row === undefined ? told(state, 'there is no node') : ask({ kind: kindOf(row.nodeId), nodeId: row.nodeId })
  switch (text) {
    case 'q':
      return { state, effect: { type: 'quit' } }
    case '?':
      return { state: { ...state, mode: { type: 'help' } } }
    case '/':
      return { state: { ...state, mode: { type: 'find', text: '', before: state.selected } } }
    case 'n':
      return { state: found(state, state.found, watched, 1) }
    case 'j':
      return inList(state, 'down', watched, 1)
    case 'k':
      return inList(state, 'up', watched, 1)
    case 'p':
      return onVersion((version) => ({ kind: 'pause', version }))
    case 'r':
      return onVersion((version) => ({ kind: 'resume', version }))
    case 't':
      return onVersion((version) => ({ kind: 'retry', version }))
    case 'm':
      return onVersion((version) => ({ kind: 'promote', version, share: hasNextStep(watched) ? null : 100 }))
    case 'U':
      return onVersion((version) => ({ kind: 'undo', version }))
    case 'h':
      return onNode((nodeId) => (isHeld(watched, nodeId) ? 'release' : 'hold'))
    case 'u':
      return onNode(() => 'upgrade')
    default:
      return { state }
  }
}

/** Only a plain yes: a key that was meant for the list changes nothing. */
function inQuestion(state: ScreenState, { order }: Extract<Mode, { type: 'ask' }>, key: Key): KeyResult {
  const list: ScreenState = { ...state, mode: { type: 'list' } }
  const text = typeof key === 'object' ? key.text.toLowerCase() : key
  if (text === 'y') return { state: list, effect: { type: 'order', order } }
  return text === 'n' || text === 'q' || text === 'escape' ? told(list, 'nothing is changed') : { state }
}

function inFind(
  state: ScreenState,
  mode: Extract<Mode, { type: 'find' }>,
  key: Key,
  watched: WatchedRollout | undefined,
): ScreenState {
  const typed = (text: string): ScreenState => {
    const next = { ...state, mode: { ...mode, text }, selected: mode.before }
    return text === '' ? next : found(next, text, watched, 0)
  }
  switch (key) {
    case 'enter':
      return { ...state, mode: { type: 'list' }, found: mode.text }
    case 'escape':
      return { ...state, mode: { type: 'list' }, selected: mode.before, message: undefined }
    case 'backspace':
      return typed(withoutLast(mode.text))
    case 'ctrl-u':
      return typed('')
    default:
      return typeof key === 'object' && mode.text.length < findLengthMax ? typed(mode.text + key.text) : state
  }
}

/** The next row, round and round, whose node, service or class has this text in it. */
function found(state: ScreenState, text: string, watched: WatchedRollout | undefined, ahead: 0 | 1): ScreenState {
  const rows = watched?.rows ?? []
  const from = selectedIndex(state, rows) + ahead
  const sought = text.toLowerCase()
  for (let i = 0; sought !== '' && i < rows.length; i++) {
    const { nodeId, service, className } = rows[(from + i) % rows.length]!
    if (`${nodeId} ${service} ${className}`.toLowerCase().includes(sought))
      return { ...state, selected: nodeId, message: undefined }
  }
  return sought === '' ? state : { ...state, message: { text: `no node, service or class has "${text}" in it`, isFault: false } }
}

function inHistory(state: ScreenState, mode: Extract<Mode, { type: 'history' }>, key: Key, page: number): KeyResult {
  const scroll = (by: number): KeyResult => ({ state: { ...state, mode: { ...mode, top: Math.max(0, mode.top + by) } } })
  switch (key) {
    case 'up':
      return scroll(-1)
    case 'down':
      return scroll(1)
    case 'pageUp':
      return scroll(-page)
    case 'pageDown':
      return scroll(page)
    case 'home':
      return scroll(-mode.top)
    case 'escape':
    case 'enter':
    case 'backspace':
      return { state: { ...state, mode: { type: 'list' } }, effect: { type: 'closeHistory' } }
    default:
      return typeof key === 'object' && key.text === 'q'
        ? { state: { ...state, mode: { type: 'list' } }, effect: { type: 'closeHistory' } }
        : { state }
  }
}

function told(state: ScreenState, text: string): KeyResult {
  return { state: { ...state, message: { text, isFault: false } } }
}

function isHeld(watched: WatchedRollout | undefined, nodeId: string): boolean {
  return watched !== undefined && holdsOf(watched.known).some((hold) => hold.nodeId === nodeId)
}
