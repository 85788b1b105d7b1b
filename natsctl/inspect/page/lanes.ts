/// <reference lib="dom" />
/**
 * A lane for each node, of which only those are drawn that can be seen, and a few around them: a thousand
 * cost what thirty cost. Rows and bars move with the page's own scrolling, so they never part.
 */
import { byId, element, fitted, setAttributes, setText } from './dom.js'
import { type CanvasColours, drawLane, laneHeight } from './lanesCanvas.js'
import { groupOf } from './phaseGroups.js'
import { phaseOf, type RolloutNode } from './rollout.js'
import type { TimeRange } from './timeScale.js'

/** Lanes above and below what can be seen: redrawn only when one scrolls past them. */
const around = 12

export interface LanesView {
  readonly nodes: readonly RolloutNode[]
  readonly range: TimeRange
  /** Where the last segments end. */
  readonly end: number
  readonly chosen: string | undefined
  readonly ink: CanvasColours
}

export class Lanes {
  readonly #box = byId('lanes')
  readonly #inside = byId('lanes-inside')
  readonly #bars = byId<HTMLCanvasElement>('bars')
  readonly #rows: { row: HTMLElement; name: HTMLElement; what: HTMLElement }[] = []
  #view: LanesView | undefined
  #first = 0

  constructor(choose: (nodeId: string) => void) {
    this.#box.addEventListener('scroll', () => this.#scrolled(), { passive: true })
    this.#box.addEventListener('click', (event) => {
      const row = (event.target as Element).closest<HTMLElement>('.lane')
      if (row?.dataset.node !== undefined) choose(row.dataset.node)
    })
    this.#box.addEventListener('keydown', (event) => {
      const to = this.#placeAfter(event.key)
      if (to === undefined) return
      event.preventDefault()
      choose(this.#view!.nodes[to]!.nodeId)
      this.reveal(to)
    })
    new ResizeObserver(() => this.draw()).observe(this.#box)
  }

  show(view: LanesView): void {
    this.#view = view
    this.draw()
  }

  draw(): void {
    const view = this.#view
    if (view === undefined) return
    const height = `${view.nodes.length * laneHeight}px`
    if (this.#inside.style.height !== height) this.#inside.style.height = height
    const count = Math.min(view.nodes.length, this.#visible + 2 * around)
    const top = Math.floor(this.#box.scrollTop / laneHeight)
    this.#first = Math.max(0, Math.min(top - around, view.nodes.length - count))
    this.#drawRows(view, count)
    this.#drawBars(view, count)
    const chosen = view.nodes.findIndex(({ nodeId }) => nodeId === view.chosen)
    const isDrawn = chosen >= this.#first && chosen < this.#first + count
    setAttributes(this.#box, { 'aria-activedescendant': isDrawn ? `lane-${chosen - this.#first}` : undefined })
  }

  /** Scrolls as little as shows the lane. */
  reveal(index: number): void {
    if (index < 0) return
    const { scrollTop, clientHeight } = this.#box
    const [top, bottom] = [index * laneHeight, (index + 1) * laneHeight]
    if (top < scrollTop) this.#box.scrollTop = top
    else if (bottom > scrollTop + clientHeight) this.#box.scrollTop = bottom - clientHeight
    this.draw()
  }

  get #visible(): number {
    return Math.ceil(this.#box.clientHeight / laneHeight) + 1
  }

  #scrolled(): void {
    const top = Math.floor(this.#box.scrollTop / laneHeight)
    const isDrawn = top >= this.#first && top + this.#visible <= this.#first + this.#rows.length
    if (!isDrawn) this.draw()
  }

  #drawRows({ nodes, chosen }: LanesView, count: number): void {
    while (this.#rows.length < count) this.#addRow()
    for (const { row } of this.#rows.splice(count)) row.remove()
    this.#rows.forEach(({ row, name, what }, i) => {
      const node = nodes[this.#first + i]!
      const { nodeId, className, version, alive } = node
      const phase = phaseOf(node)
      const top = `translateY(${(this.#first + i) * laneHeight}px)`
      if (row.style.transform !== top) row.style.transform = top
      const isChosen = nodeId === chosen
      const words = `v${version}${phase === 'current' ? '' : ` ${phase}`}${alive ? '' : ', away'}`
      const said = `${nodeId} ${words} ${className} ${isChosen}`
      if (row.dataset.said === said) return
      row.dataset.said = said
      row.dataset.node = nodeId
      row.className = `lane ${groupOf(phase)}${alive ? '' : ' gone'}`
      setText(name, nodeId)
      setText(what, words)
      setAttributes(row, {
        'aria-selected': String(isChosen),
        'aria-setsize': nodes.length,
        'aria-posinset': this.#first + i + 1,
        'aria-label': `${nodeId}, ${className}, version ${version}, ${phase}${alive ? '' : ', its host is not heard of'}`,
      })
    })
  }

  #addRow(): void {
    const name = element('span', { class: 'lane-name' })
    const what = element('span', { class: 'lane-what' })
    const row = element('div', { class: 'lane', role: 'option', id: `lane-${this.#rows.length}` }, name, what)
    this.#rows.push({ row, name, what })
    this.#inside.append(row)
  }

  #drawBars({ nodes, range, end, ink }: LanesView, count: number): void {
    this.#bars.style.height = `${count * laneHeight}px`
    this.#bars.style.transform = `translateY(${this.#first * laneHeight}px)`
    const canvas = fitted(this.#bars)
    if (canvas === undefined) return
    const { context, width, height } = canvas
    context.clearRect(0, 0, width, height)
    for (let i = 0; i < count; i++) {
      drawLane(context, nodes[this.#first + i]!, (i + 0.5) * laneHeight, range, end, width, ink)
    }
  }

  #placeAfter(key: string): number | undefined {
    const view = this.#view
    if (view === undefined || view.nodes.length === 0) return undefined
    const last = view.nodes.length - 1
    const at = view.nodes.findIndex(({ nodeId }) => nodeId === view.chosen)
    const page = Math.max(1, this.#visible - 2)
    switch (key) {
      case 'ArrowDown':
        return Math.min(last, at + 1)
      case 'ArrowUp':
        return Math.max(0, at - 1)
      case 'PageDown':
        return Math.min(last, at + page)
      case 'PageUp':
        return Math.max(0, at - page)
      case 'Home':
        return 0
      case 'End':
        return last
      default:
        return undefined
    }
  }
}
