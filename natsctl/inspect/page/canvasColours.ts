/// <reference lib="dom" />
/** The colours of the style sheet, for what is drawn on canvases; read again when light becomes dark. */
import type { CanvasColours } from './lanesCanvas.js'
import { phaseGroups } from './phaseGroups.js'

export function readCanvasColours(): CanvasColours {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    groups: Object.fromEntries(phaseGroups.map(({ group }) => [group, colour(group)])) as CanvasColours['groups'],
    text: colour('text'),
    paper: colour('paper'),
    line: colour('line'),
    faint: colour('quiet'),
    font: `11px ${style.fontFamily}`,
  }
}

export function onColourSchemeChange(changed: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
}
