/** docs/demo.svg: a terminal's redraws become a picture that plays by itself. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root } from '../support/documentCode.js'

interface Frame {
  readonly atMs: number
  readonly lines: readonly string[]
}
const { framesOf, terminalSvg } = (await import(join(root, 'scripts/terminalSvg.mjs'))) as {
  framesOf(written: readonly { readonly atMs: number; readonly text: string }[]): readonly Frame[]
  terminalSvg(frames: readonly Frame[], options: { label: string; columns: number; holdMs?: number; stepMs?: number }): string
}

const redraw = (up: number, ...lines: string[]) =>
  `\u001b[?7l${up === 0 ? '' : `\u001b[${up}A\u001b[J`}${lines.join('\n')}\n\u001b[?7h`
const written = [
  { atMs: 0, text: '$ demo\n' },
  { atMs: 100, text: redraw(0, 'a', '  \u001b[32mgood\u001b[39m  <b>') },
  { atMs: 350, text: redraw(2, 'a', '  \u001b[31mbad\u001b[39m', 'c') },
  { atMs: 900, text: 'over\n' },
]

test('a redraw takes the place of the one before it, and lines that stay stay', (t) => {
  t.deepEqual(
    framesOf(written).map(({ lines }) => lines),
    [
      ['$ demo'],
      ['$ demo', 'a', '  \u001b[32mgood\u001b[39m  <b>'],
      ['$ demo', 'a', '  \u001b[31mbad\u001b[39m', 'c'],
      ['$ demo', 'a', '  \u001b[31mbad\u001b[39m', 'c', 'over'],
    ],
  )
})

test('a row of the picture moves to its next text when that was written, and stands at its last one without motion', (t) => {
  const svg = terminalSvg(framesOf(written), { label: 'a "demo"', columns: 20, holdMs: 100 })
  t.true(svg.includes('<title>a &quot;demo&quot;</title>'))
  // Of 1,000 ms: nothing, then "good" at 100, then "bad" in the step of 300.
  t.true(
    svg.includes('@keyframes k2{0%{transform:translateY(0px)}10%{transform:translateY(-19px)}30%{transform:translateY(-38px)}}'),
  )
  t.true(svg.includes('#r2{animation:k2 1000ms step-end infinite}'))
  // With motion or without, it stands at its last text.
  t.true(svg.indexOf('#r2{transform:translateY(-38px)}') < svg.indexOf('@media (prefers-reduced-motion:no-preference)'))
  t.true(svg.includes('<tspan x="16.8" class="c32">good</tspan><tspan x="67.2">&lt;b&gt;</tspan>'))
})

test('a row that never changes is not animated', (t) => {
  const svg = terminalSvg(framesOf(written), { label: 'demo', columns: 20 })
  t.false(svg.includes('@keyframes k0'))
})

test('a style or a sequence that the picture can’t show is refused', (t) => {
  for (const text of ['\u001b[45mx\u001b[0m\n', '\u001b[2Kx\n'])
    t.throws(() => terminalSvg(framesOf([{ atMs: 0, text }]), { label: 'demo', columns: 20 }), { message: /is not known/ })
})

test('the picture of the demo is small, asks for nothing else, and ends well', (t) => {
  const svg = readFileSync(join(root, 'docs/demo.svg'), 'utf8')
  t.true(Buffer.byteLength(svg) < 200 * 1024)
  t.deepEqual(
    [...svg.matchAll(/https?:[^"']+/g)].map(([url]) => url),
    ['http://www.w3.org/2000/svg'],
  )
  t.regex(svg, />calls \d+, failed 0, lost 0, wrong 0</)
  for (const phase of ['scheduled', 'current']) t.true(svg.includes(phase), phase)
})
