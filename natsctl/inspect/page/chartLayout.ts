/**
 * Where the statechart's states are drawn. The way on which all goes well is a column of its own, from the
 * top down; what else can become of an upgrade stands beside it, near where it leaves that way.
 */
import type { StatechartDescription, StateDescription, TransitionDescription } from 'theseus-actors/operator'

export interface Box {
  readonly id: string
  readonly label: string
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly isCompound: boolean
  readonly isFinal: boolean
  readonly column: 'way' | 'beside'
}

export interface ChartLayout {
  readonly width: number
  readonly height: number
  readonly boxes: ReadonlyMap<string, Box>
}

const margin = 26
const wayWidth = 158
const besideWidth = 118
const between = 62
const rowHeight = 20
const rowGap = 4
const headHeight = 21
const atomicHeight = 26
const gap = 12

export function layout(statechart: StatechartDescription): ChartLayout {
  const boxes = new Map<string, Box>()
  const way = wayOf(statechart)
  let y = 8
  for (const state of way) {
    const height = place(statechart, boxes, state, { x: margin, y, width: wayWidth, column: 'way' })
    y += height + gap
  }
  const beside = statechart.states.filter(({ id, parent }) => parent === statechart.id && !way.some((one) => one.id === id))
  let free = 8
  for (const { state, at } of besidesByPlace(statechart, beside, boxes)) {
    const top = Math.max(free, at - heightOf(statechart, state) / 2)
    const x = margin + wayWidth + between
    free = top + place(statechart, boxes, state, { x, y: top, width: besideWidth, column: 'beside' }) + gap
  }
  return { width: margin + wayWidth + between + besideWidth + margin, height: Math.max(y, free), boxes }
}

/** From the first state on by what is done, never back. */
function wayOf(statechart: StatechartDescription): readonly StateDescription[] {
  const way: StateDescription[] = []
  let next: StateDescription | undefined = stateOf(statechart, statechart.initial)
  while (next !== undefined && !way.includes(next)) {
    way.push(next)
    next = onwards(statechart, next, way)
  }
  return way
}

function onwards(
  statechart: StatechartDescription,
  state: StateDescription,
  way: readonly StateDescription[],
): StateDescription | undefined {
  const leaving = leavingOf(statechart, state)
  const done = leaving.filter(({ event }) => event.startsWith('xstate.done.'))
  // A state without an effect only decides: what is left when no guard holds is the usual way.
  const usual = done.length > 0 ? done : leaving.filter(({ event, guard }) => event === '' && guard === null)
  for (const { to } of usual) {
    const target = topOf(statechart, to!)
    if (!way.includes(target)) return target
  }
  return undefined
}

/** The transitions out of a state, or out of one within it. */
function leavingOf(statechart: StatechartDescription, state: StateDescription): readonly TransitionDescription[] {
  return statechart.transitions.filter(
    ({ from, to }) => to !== null && topOf(statechart, from) === state && topOf(statechart, to) !== state,
  )
}

/** As high as the places from which one comes here, in their order. */
function besidesByPlace(
  statechart: StatechartDescription,
  beside: readonly StateDescription[],
  boxes: ReadonlyMap<string, Box>,
): readonly { state: StateDescription; at: number }[] {
  const places = new Map<StateDescription, number>()
  const pending = [...beside]
  for (let rounds = 0; pending.length > 0 && rounds <= beside.length; rounds++) {
    for (const state of [...pending]) {
      const from = statechart.transitions
        .filter(({ to }) => to !== null && topOf(statechart, to) === state)
        .map((transition) => centreOf(statechart, boxes, places, transition.from))
        .filter((at) => at !== undefined)
      if (from.length === 0) continue
      places.set(state, from.reduce((sum, at) => sum + at, 0) / from.length)
      pending.splice(pending.indexOf(state), 1)
    }
  }
  return beside.map((state) => ({ state, at: places.get(state) ?? 0 })).sort((a, b) => a.at - b.at)
}

function centreOf(
  statechart: StatechartDescription,
  boxes: ReadonlyMap<string, Box>,
  places: ReadonlyMap<StateDescription, number>,
  id: string,
): number | undefined {
  const box = boxes.get(id)
  if (box !== undefined) return box.y + box.height / 2
  const place = places.get(topOf(statechart, id))
  return place === undefined ? undefined : place + 20
}

/** Returns its height. */
function place(
  statechart: StatechartDescription,
  boxes: Map<string, Box>,
  state: StateDescription,
  at: Pick<Box, 'x' | 'y' | 'width' | 'column'>,
): number {
  const children = childrenOf(statechart, state)
  const height = heightOf(statechart, state)
  const { id, key, type } = state
  boxes.set(id, { ...at, id, label: key, height, isCompound: children.length > 0, isFinal: type === 'final' })
  children.forEach((child, i) => {
    const y = at.y + headHeight + i * (rowHeight + rowGap)
    const within = { x: at.x + 9, width: at.width - 18, column: at.column }
    boxes.set(child.id, { ...within, id: child.id, label: child.key, y, height: rowHeight, isCompound: false, isFinal: false })
  })
  return height
}

function heightOf(statechart: StatechartDescription, state: StateDescription): number {
  const { length } = childrenOf(statechart, state)
  return length === 0 ? atomicHeight : headHeight + length * (rowHeight + rowGap) + 3
}

function childrenOf({ states }: StatechartDescription, { id }: StateDescription): readonly StateDescription[] {
  return states.filter(({ parent }) => parent === id)
}

function stateOf({ states }: StatechartDescription, id: string): StateDescription {
  return states.find((state) => state.id === id)!
}

/** The state right below the statechart in which a state is. */
export function topOf(statechart: StatechartDescription, id: string): StateDescription {
  let state = stateOf(statechart, id)
  while (state.parent !== null && state.parent !== statechart.id) state = stateOf(statechart, state.parent)
  return state
}
