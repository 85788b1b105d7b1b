/// <reference lib="dom" />
/** The statechart as SVG: drawn once, lit again and again. */
import type { StatechartDescription } from 'theseus-actors/operator'
import { edges } from './chartEdges.js'
import { layout } from './chartLayout.js'
import { setAttributes, svg } from './dom.js'
import { type StatechartState, shortName } from './statechartState.js'

export class ChartView {
  readonly element: SVGSVGElement
  readonly #title: SVGTitleElement
  readonly #boxes = new Map<string, SVGGElement>()
  readonly #edges: { readonly path: SVGPathElement; readonly transitions: readonly string[]; readonly from: string }[] = []

  constructor(private readonly statechart: StatechartDescription) {
    const plan = layout(statechart)
    this.#title = svg('title', { id: 'chart-title' })
    this.element = svg('svg', {
      viewBox: `0 0 ${plan.width} ${plan.height}`,
      role: 'img',
      'aria-labelledby': 'chart-title',
      class: 'chart',
    })
    this.element.append(this.#title, arrowHeads())
    for (const { path: d, transitions, from } of edges(statechart, plan)) {
      const path = svg('path', { d, class: 'edge', 'marker-end': 'url(#arrow)' })
      this.#edges.push({ path, transitions, from })
      this.element.append(path)
    }
    for (const box of plan.boxes.values()) {
      const { x, y, width, height, label, isCompound, isFinal, id } = box
      const group = svg('g', { class: `state${isCompound ? ' compound' : ''}${isFinal ? ' final' : ''}`, 'data-state': id })
      group.append(svg('rect', { x, y, width, height, rx: isFinal ? height / 2 : 7 }))
      const text = isCompound ? { x: x + 10, y: y + 15 } : { x: x + width / 2, y: y + height / 2 + 4, 'text-anchor': 'middle' }
      group.append(svg('text', text, spaced(label)))
      this.#boxes.set(id, group)
      this.element.append(group)
    }
  }

  light({ active, taken }: StatechartState): void {
    for (const [id, group] of this.#boxes) group.classList.toggle('active', active.includes(id))
    for (const { path, transitions, from } of this.#edges) {
      const isTaken = transitions.some((id) => taken.includes(id))
      path.classList.toggle('taken', isTaken)
      path.classList.toggle('open', !isTaken && active.includes(from))
      setAttributes(path, {
        'marker-end': isTaken ? 'url(#arrow-taken)' : active.includes(from) ? 'url(#arrow-open)' : 'url(#arrow)',
      })
      // Above the others, below the boxes.
      if (isTaken) this.#boxes.values().next().value!.before(path)
    }
    const names = active.map((id) => shortName(this.statechart, id))
    this.#title.textContent = `The upgrade statechart; active: ${names.at(-1) ?? 'nothing'}`
  }
}

/** `skippingLater` as people write it. */
function spaced(key: string): string {
  return key.replace(/([a-z])([A-Z])/g, (_, before: string, capital: string) => `${before} ${capital.toLowerCase()}`)
}

function arrowHeads(): SVGDefsElement {
  const head = (id: string) =>
    svg(
      'marker',
      {
        id,
        viewBox: '0 0 8 8',
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: 'auto',
        markerUnits: 'userSpaceOnUse',
      },
      svg('path', { d: 'M 0 0.5 L 7.5 4 L 0 7.5 z' }),
    )
  return svg('defs', {}, head('arrow'), head('arrow-open'), head('arrow-taken'))
}
