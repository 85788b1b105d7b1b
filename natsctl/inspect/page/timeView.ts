/// <reference lib="dom" />
/**
 * The band of the whole rollout and the axis below it; and the range of time that both show, with the lanes.
 */
import { byId, fitted } from './dom.js'
import type { CanvasColours } from './lanesCanvas.js'
import { drawOverview, overview } from './overview.js'
import type { Rollout, RolloutNode } from './rollout.js'
import { chosenRange, panned, type RangeChoice, type TimeRange, ticks, zoomed } from './timeScale.js'

/** Counting all nodes at each moment is the dearest thing here: not at every frame. */
const overviewMs = 250
const binWidth = 3

export class TimeView {
  readonly #choice = byId<HTMLSelectElement>('range')
  /** Set once somebody has moved or scaled it. */
  #own: TimeRange | undefined
  #drawnAt = Number.NEGATIVE_INFINITY

  constructor(changed: () => void) {
    this.#choice.addEventListener('change', () => {
      this.#own = undefined
      changed()
    })
    byId('zoom-in').addEventListener('click', () => this.#change(changed, (range) => zoomed(range, 0.5)))
    byId('zoom-out').addEventListener('click', () => this.#change(changed, (range) => zoomed(range, 2)))
    byId('lanes').addEventListener('keydown', ({ key }) => {
      if (key === 'ArrowLeft') this.#change(changed, (range) => panned(range, -0.15))
      else if (key === 'ArrowRight') this.#change(changed, (range) => panned(range, 0.15))
      else if (key === '+' || key === '=') this.#change(changed, (range) => zoomed(range, 0.5))
      else if (key === '-') this.#change(changed, (range) => zoomed(range, 2))
      else if (key === '0') {
        this.#choice.value = 'rollout'
        this.#own = undefined
        changed()
      }
    })
    byId('overview').addEventListener('click', (event) => {
      const share = event.offsetX / byId('overview').clientWidth
      this.#change(changed, (range) => zoomed(range, 0.5, share))
    })
  }

  #shown: TimeRange = { from: 0, to: 1 }

  range(rollout: Rollout, now: number): TimeRange {
    this.#shown = this.#own ?? chosenRange(this.#choice.value as RangeChoice, rollout, now)
    return this.#shown
  }

  #change(changed: () => void, to: (range: TimeRange) => TimeRange): void {
    this.#own = to(this.#shown)
    this.#choice.value = 'own'
    changed()
  }

  draw(
    nodes: readonly RolloutNode[],
    range: TimeRange,
    origin: number,
    ink: CanvasColours,
    now: number,
    isAnother: boolean,
  ): void {
    if (!isAnother && now - this.#drawnAt < overviewMs) return
    this.#drawnAt = now
    const band = fitted(byId<HTMLCanvasElement>('overview'))
    if (band === undefined) return
    const { context, width, height } = band
    drawOverview(context, overview(nodes, range, Math.max(10, Math.round(width / binWidth))), ink.groups, width, height)
    this.#drawAxis(range, origin, ink)
  }

  #drawAxis(range: TimeRange, origin: number, ink: CanvasColours): void {
    const axis = fitted(byId<HTMLCanvasElement>('axis'))
    if (axis === undefined) return
    const { context, width, height } = axis
    context.clearRect(0, 0, width, height)
    context.font = ink.font
    context.fillStyle = ink.faint
    context.textBaseline = 'middle'
    for (const { at, label } of ticks(range, origin, Math.max(2, width / 80))) {
      const x = Math.round(((at - range.from) / (range.to - range.from)) * width) + 0.5
      context.fillRect(x, 0, 1, 4)
      const half = context.measureText(label).width / 2
      context.fillText(label, Math.min(width - 2 * half, Math.max(0, x - half)), height - 7)
    }
  }
}
