// A recording of a terminal as an SVG that plays by itself, in a loop. Pure: the same frames give the same
// bytes.

const cell = { width: 8.4, height: 19, font: 14 }
const margin = 16
const colours = { 31: '#ff7b72', 32: '#3fb950', 33: '#d29922', 36: '#39c5cf' }
const styles = { 1: 'b', 2: 'd', ...Object.fromEntries(Object.keys(colours).map((code) => [code, `c${code}`])) }

/**
 * The lines of a redrawn screen, from all that was written to it. Knows the sequences of the demo's screen,
 * and throws at any other. `written`: texts and when they came, each a line that stays or one whole redraw.
 */
export function framesOf(written) {
  const lines = []
  return written.map(({ atMs, text }) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is told
    const up = /^\u001b\[\?7l(?:\u001b\[(\d+)A\u001b\[J)?/.exec(text)
    if (up?.[1] !== undefined) lines.splice(lines.length - Number(up[1]))
    const rest = text.slice(up?.[0].length ?? 0).replace('\u001b[?7h', '')
    lines.push(...rest.replace(/\n$/, '').split('\n'))
    return { atMs, lines: [...lines] }
  })
}

/**
 * `holdMs`: how long the last frame stays before it begins anew. `stepMs`: changes within one step are shown
 * as one.
 */
export function terminalSvg(frames, { label, columns, holdMs = 5_000, stepMs = 100 }) {
  const totalMs = frames.at(-1).atMs + holdMs
  const rowCount = Math.max(...frames.map(({ lines }) => lines.length))
  const steps = atSteps(frames, stepMs)
  const rows = Array.from({ length: rowCount }, (_, row) => changesOf(steps, row)).map((changes, row) => {
    const texts = [...new Set(changes.map(({ text }) => text))]
    const at = (text) => -texts.indexOf(text) * cell.height
    return { row, texts, changes, at }
  })
  const [width, height] = [columns * cell.width + 2 * margin, rowCount * cell.height + 2 * margin]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${number(width)} ${number(height)}" role="img">`,
    `<title>${escaped(label)}</title>`,
    `<style>text{fill:#c9d1d9;font:${cell.font}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}`,
    '.b{font-weight:bold;fill:#f0f6fc}.d{fill:#8b949e}',
    ...Object.entries(colours).map(([code, colour]) => `.c${code}{fill:${colour}}`),
    // The rows stand at their last text: without motion the end is seen.
    ...rows.map((row) => atLast(row)),
    '@media (prefers-reduced-motion:no-preference){',
    ...rows.filter(({ changes }) => changes.length > 1).map((row) => animation(row, totalMs)),
    '}</style>',
    `<clipPath id="row"><rect width="${number(columns * cell.width)}" height="${cell.height}"/></clipPath>`,
    '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>',
    ...rows.map(({ row, texts }) => {
      const y = margin + row * cell.height
      const lines = texts.map((text, i) => textAt(text, i * cell.height + cell.font))
      return `<g transform="translate(${margin} ${y})" clip-path="url(#row)"><g id="r${row}">${lines.join('')}</g></g>`
    }),
    '</svg>\n',
  ].join('\n')
}

/** The last frame of each step. */
function atSteps(frames, stepMs) {
  const steps = new Map()
  for (const { atMs, lines } of frames) steps.set(Math.floor(atMs / stepMs) * stepMs, lines)
  return [...steps].map(([atMs, lines]) => ({ atMs, lines }))
}

function changesOf(steps, row) {
  const changes = [{ atMs: 0, text: '' }]
  for (const { atMs, lines } of steps) {
    const text = lines[row] ?? ''
    if (changes.at(-1).text === text) continue
    if (changes.at(-1).atMs === atMs) changes.pop()
    changes.push({ atMs, text })
  }
  return changes
}

function atLast({ row, changes, at }) {
  return `#r${row}{transform:translateY(${at(changes.at(-1).text)}px)}`
}

function animation({ row, changes, at }, totalMs) {
  const keyframes = changes.map(({ atMs, text }) => `${number((100 * atMs) / totalMs)}%{transform:translateY(${at(text)}px)}`)
  return `@keyframes k${row}{${keyframes.join('')}}#r${row}{animation:k${row} ${Math.round(totalMs)}ms step-end infinite}`
}

/** Each run of words stands at its own column: fonts whose letters are narrower keep the table straight. */
function textAt(line, y) {
  const spans = []
  let [style, column] = ['', 0]
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is told
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is told
    const code = /^\u001b\[(\d+)m$/.exec(part)?.[1]
    if (code !== undefined) {
      style = styles[code] ?? ''
      if (style === '' && !['0', '22', '39'].includes(code)) throw new Error(`a style that is not known: ${code}`)
      continue
    }
    if (part.includes('\u001b')) throw new Error(`a sequence that is not known: ${JSON.stringify(part)}`)
    for (const words of part.split(/( {2,})/)) {
      if (words.trim() !== '')
        spans.push(`<tspan x="${number(column * cell.width)}"${style && ` class="${style}"`}>${escaped(words)}</tspan>`)
      column += words.length
    }
  }
  return spans.length === 0 ? '' : `<text y="${y}">${spans.join('')}</text>`
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function number(value) {
  return String(Number(value.toFixed(2)))
}
