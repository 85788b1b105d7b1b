/// <reference lib="dom" />
/**
 * The bars of the lanes: each phase by its colour, and by its height too, for those who do not
 * see the colours.
 */
import type { GroupColours } from './overview.js'
import { groupOf, type PhaseGroup } from './phaseGroups.js'
import type { RolloutNode, Segment } from './rollout.js'
import type { TimeRange } from './timeScale.js'

export interface CanvasColours extends Readonly<Record<'text' | 'paper' | 'line' | 'faint', string>> {
  readonly groups: GroupColours
  readonly font: string
}

export const laneHeight = 30

const barHeights: Readonly<Record<PhaseGroup, number>> = { serving: 3, preparing: 7, waiting: 11, away: 17, trouble: 17 }
const labelWidthMin = 30

/**
 * One lane, with its middle at `y`. @param end where the last segment ends: now, or the end of a recording
 */
export function drawLane(
  canvas: CanvasRenderingContext2D,
  node: RolloutNode,
  y: number,
  range: TimeRange,
  end: number,
  width: number,
  ink: CanvasColours,
): void {
  const { from, to } = range
  const x = (at: number) => ((at - from) / (to - from)) * width
  const { segments } = node
  const last = Math.min(x(end), width)
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]!
    const after = segments[i + 1]
    const begin = Math.max(0, x(segment.at))
    const stop = after === undefined ? last : Math.min(width, x(after.at))
    if (stop < 0 || begin > width || stop < begin) continue
    const group = groupOf(segment.phase)
    // A phase of a millisecond is seen beside one of an hour.
    const wide = Math.max(stop - begin, group === 'serving' ? 0 : 2)
    drawBar(canvas, group, begin, y, wide, ink)
    if (group === 'serving' && wide >= labelWidthMin) drawVersion(canvas, versionOf(node, i), begin, y, ink)
    if (group === 'trouble' && wide >= 14) drawText(canvas, '!', begin + 5, y, ink.paper, ink.font)
  }
}

function drawBar(
  canvas: CanvasRenderingContext2D,
  group: PhaseGroup,
  x: number,
  y: number,
  width: number,
  ink: CanvasColours,
): void {
  const height = barHeights[group]
  canvas.fillStyle = ink.groups[group]
  canvas.fillRect(x, y - height / 2, width, height)
  if (group !== 'waiting' || width < 6) return
  // Hatched: it serves, and waits.
  canvas.save()
  canvas.beginPath()
  canvas.rect(x, y - height / 2, width, height)
  canvas.clip()
  canvas.strokeStyle = ink.paper
  canvas.globalAlpha = 0.45
  canvas.lineWidth = 1.5
  canvas.beginPath()
  for (let at = Math.floor(x / 7) * 7; at < x + width + height; at += 7) {
    canvas.moveTo(at, y + height / 2)
    canvas.lineTo(at + height, y - height / 2)
  }
  canvas.stroke()
  canvas.restore()
}

function drawVersion(canvas: CanvasRenderingContext2D, version: number, x: number, y: number, ink: CanvasColours): void {
  const text = `v${version}`
  canvas.font = ink.font
  canvas.fillStyle = ink.paper
  canvas.fillRect(x + 5, y - 7, canvas.measureText(text).width + 6, 14)
  drawText(canvas, text, x + 8, y, ink.faint, ink.font)
}

function drawText(canvas: CanvasRenderingContext2D, text: string, x: number, y: number, colour: string, font: string): void {
  canvas.font = font
  canvas.textBaseline = 'middle'
  canvas.fillStyle = colour
  canvas.fillText(text, x, y + 0.5)
}

/**
 * At which version a node was while it was current: the one that it had come to, or the one
 * before that to which it went.
 */
export function versionOf({ segments, version }: Pick<RolloutNode, 'segments' | 'version'>, index: number): number {
  const before = segments.slice(0, index).findLast(isGoing)
  if (before !== undefined) return before.target!
  const after = segments.slice(index + 1).find(isGoing)
  return after === undefined ? version : Math.max(0, after.target! - 1)
}

function isGoing({ target }: Segment): boolean {
  return target !== null
}
