/**
 * The little of SVG that the charts need. Colours are classes, so that one file can be read in
 * light and in dark.
 */

type Ink = 'ink' | 'soft' | 'own' | 'peer' | 'bare' | 'floor'

interface Palette extends Readonly<Record<Ink | 'paper' | 'grid', string>> {}

const light: Palette = {
  paper: '#ffffff',
  ink: '#1f2328',
  soft: '#59636e',
  grid: '#d8dee4',
  own: '#0f766e',
  peer: '#b45309',
  bare: '#6e7781',
  floor: '#8250df',
}

const dark: Palette = {
  paper: '#0d1117',
  ink: '#e6edf3',
  soft: '#9198a1',
  grid: '#30363d',
  own: '#2dd4bf',
  peer: '#f0a44b',
  bare: '#8b949e',
  floor: '#a98bf5',
}

function rules(palette: Palette): string {
  const inks = (['ink', 'soft', 'own', 'peer', 'bare', 'floor'] as const).map(
    (ink) => `.${ink}{fill:${palette[ink]}}.line.${ink}{fill:none;stroke:${palette[ink]}}`,
  )
  return `.paper{fill:${palette.paper}}.grid{stroke:${palette.grid}}${inks.join('')}`
}

const fixed =
  'text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif}.title{font-weight:600;font-size:14px}.end{text-anchor:end}.middle{text-anchor:middle}.line{stroke-width:2}.grid{stroke-width:1}'

/** The whole file. `title` is for those who hear it. */
export function svg(width: number, height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${fixed}${rules(light)}@media (prefers-color-scheme:dark){${rules(dark)}}</style>`,
    `<rect class="paper" width="${width}" height="${height}" rx="6"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

export function text(x: number, y: number, content: string, classes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${classes}">${escaped(content)}</text>`
}

export function bar(x: number, y: number, width: number, height: number, classes: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(width, 1))}" height="${height}" rx="2" class="${classes}"/>`
}

export function dot(x: number, y: number, classes: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="3" class="${classes}"/>`
}

export function path(points: readonly (readonly [x: number, y: number])[], classes: string): string {
  return `<path d="${points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('')}" class="${classes}"/>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
