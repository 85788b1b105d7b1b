/** The screen of a rollout, as lines and as what a terminal makes of them. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import { frameOf } from '../../../natsctl/watch/frame.js'
import { Rates } from '../../../natsctl/watch/rates.js'
import { drawScreen } from '../../../natsctl/watch/screen.js'
import type { ScreenContent } from '../../../natsctl/watch/screenContent.js'
import { initialScreenState } from '../../../natsctl/watch/screenState.js'
import { TerminalEmulator } from '../../support/terminalEmulator.js'
import { content, fortyNodes, manifest, now, row } from './screenContents.js'

const plain = (columns: number, rows: number) => ({ columns, rows, colour: false })

function figures(): Pick<ScreenContent, 'rates' | 'limits'> {
  const rates = new Rates()
  for (const second of [0, 1, 2, 3]) {
    const versions = [
      { version: 0, calls: second * 100, simulated: 0, refused: 0, failed: 0, times: [0, 0, second * 9] },
      { version: 1, calls: second * 40, simulated: second * 28, refused: second * 2, failed: second, times: [second * 5] },
    ]
    rates.hear('h1', { at: second * 1_000, service: 'pages', limit: { percent: 25 }, versions }, now - 3_000 + second * 1_000)
  }
  return { rates: rates.at(now), limits: rates }
}

/** A terminal that is shown one picture after the other, as the real one is. */
class FakeTerminal {
  readonly emulator: TerminalEmulator
  #shown: readonly string[] | undefined
  #state = initialScreenState

  constructor(
    readonly columns: number,
    readonly rows: number,
  ) {
    this.emulator = new TerminalEmulator(columns, rows)
    this.emulator.write('\u001b[?1049h\u001b[?7l')
  }

  /** Returns how many bytes were written. */
  show(of: ScreenContent, isColoured = true): number {
    const { lines, top } = drawScreen(
      { ...of, state: { ...this.#state, ...of.state } },
      { columns: this.columns, rows: this.rows, colour: isColoured },
    )
    this.#state = { ...of.state, top }
    const before = this.emulator.bytes
    this.emulator.write(frameOf(this.#shown, lines, this.columns))
    this.#shown = lines
    return this.emulator.bytes - before
  }
}

test('on a wide terminal there is everything: who, how far, how, and at what pace', (t) => {
  const controls = [{ kind: 'hold', nodeId: 'p20', reason: 'busy', since: now } as const]
  const { lines } = drawScreen(content({ rows: fortyNodes(), controls }, figures()), plain(110, 24))
  t.is(lines.length, 24)
  t.deepEqual(lines.slice(0, 15), [
    'system demo, version 1: Readers can comment on a page                                        degraded for 1m0s',
    `${'█'.repeat(18)}${'░'.repeat(42)} 12 of 40 nodes, about 2m to go`,
    'held p20 (busy)',
    'pages goes by gradually({ every: 10s, probability: 0.2 })',
    'no gate: trouble does not pause it by itself',
    '',
    '  SERVICE   NODES  THERE  MOVING  IN TROUBLE  AWAY  NOT SERVING',
    '  pages        40     12       2           1     1      2 of 10',
    '',
    '  SERVICE   VERSION  NODES  CALLS/S  BY SO/S  REFUSED/S  ERRORS/S     P99',
    '  pages           1     12       40       28        2.0       1.0    <1ms',
    '  pages           0     28      100        0          0         0   2.0ms',
    '',
    '  NODE    SERVICE  CLASS     VERSION  PHASE            FOR  WHY',
    `▸ p13     pages    Pages.v1  0 → 1    stalled         1m0s  upgrade.transform: no such field: title${' '.repeat(11)}`,
  ])
  t.regex(lines[15]!, /^ {2}p14 .* scheduled +1m0s {2}host h2, which is not heard of/)
  t.regex(lines[16]!, /^ {2}p15 .* draining +2s/)
  t.regex(lines[18]!, /^ {2}p17 .* its schedule, gradually/)
  t.regex(lines.at(-1)!, /^\? keys {2}q quit {2}p pause .* 1–9 of 40$/)
})

test('on a terminal of 40 × 12 there are still title, bar and rows; what matters least has gone', (t) => {
  const { lines } = drawScreen(content({ rows: fortyNodes() }, figures()), plain(40, 12))
  t.is(lines.length, 12)
  t.is(lines[0], 'demo v1: Readers can…  degraded for 1m0s')
  t.regex(lines[1]!, /^█+░+ 12 of 40, about 3m to go$/)
  const header = lines.findIndex((line) => line.startsWith('  NODE'))
  t.is(lines[header], '  NODE    PHASE            FOR  WHY')
  t.is(lines[header + 1], '▸ p13     stalled         1m0s  upgrade…')
  t.true(lines.length - header - 2 >= 4)
  t.true(lines.every((line) => line.length <= 40))
})

test('the pictures in docs/natsctl.md are what is drawn', (t) => {
  const page = readFileSync(new URL('../../../../docs/natsctl.md', import.meta.url), 'utf8')
  const controls = [{ kind: 'hold', nodeId: 'p20', reason: 'busy', since: now } as const]
  for (const size of [plain(100, 25), plain(40, 12)]) {
    const { lines } = drawScreen(content({ rows: fortyNodes(), controls }, figures()), size)
    const shown = lines.map((line) => line.trimEnd()).join('\n')
    t.true(page.includes(`\n\`\`\`\n${shown}\n\`\`\`\n`), shown)
  }
})

test('whatever the size, there are as many lines as rows, and none is too wide', (t) => {
  for (const columns of [1, 2, 7, 20, 33, 64, 200])
    for (const rows of [1, 2, 3, 5, 9, 17, 60]) {
      for (const mode of [{ type: 'list' }, { type: 'help' }, { type: 'history', nodeId: 'p13', top: 0 }] as const) {
        const { lines } = drawScreen(
          content({ rows: fortyNodes() }, { ...figures(), state: { ...initialScreenState, mode } }),
          plain(columns, rows),
        )
        t.is(lines.length, rows)
        t.true(
          lines.every((line) => line.length <= columns),
          `${columns} × ${rows}`,
        )
      }
    }
})

test('what hosts do not tell is shown as unknown', (t) => {
  const { lines } = drawScreen(content({ rows: fortyNodes() }), plain(110, 24))
  t.true(lines.includes('  pages        40     12       2           1     1       2 of –'))
  t.true(lines.includes('  pages           1     12        –        –          –         –       –'))
})

test('many services leave room for the nodes, and say how many more there are', (t) => {
  const rows = Array.from({ length: 40 }, (_, i) => row(`n${i}`, { service: `s${i}` }))
  const { lines } = drawScreen(content({ rows }), plain(110, 40))
  t.is(lines.filter((line) => /^ {2}… and \d+ more$/.test(line)).length, 2)
  t.true(lines.length - lines.findIndex((line) => line.startsWith('  NODE')) > 14)
})

test('a history is scrolled no further than it goes', (t) => {
  const phases = Array.from({ length: 50 }, (_, n) => {
    return {
      type: 'phase',
      at: now - 1_000 * (50 - n),
      n,
      nodeId: 'p13',
      phase: 'fetching',
      target: 1,
      reason: `try ${n}`,
    } as const
  })
  const mode = { type: 'history', nodeId: 'p13', top: 1_000 } as const
  const drawn = drawScreen(
    content({ rows: fortyNodes() }, { history: { phases, since: now }, state: { ...initialScreenState, mode } }),
    plain(80, 20),
  )
  t.is(drawn.historyTop, 50 - drawn.page)
  t.regex(drawn.lines.at(-2)!, / fetching +1 +try 0$/)
})

test('a paused rollout says since when, why, and how long nobody knows it takes', (t) => {
  const rows = [
    row('a', { version: 1 }),
    row('b', { version: 1 }),
    row('c', { version: 1 }),
    row('d', { phase: 'scheduled', target: 1 }),
  ]
  const controls = [{ kind: 'pause', version: 1, reason: 'lunch', since: now - 65_000 } as const]
  const { lines } = drawScreen(content({ rows, controls }), plain(100, 20))
  t.regex(lines[0]!, / paused for 1m5s$/)
  t.regex(lines[1]!, / 3 of 4 nodes$/)
  t.is(lines[2], 'paused for 1m5s: lunch')
})

test('steps show where the rollout is, and gates what they have heeded', (t) => {
  const schedule = 'steps(1 node, 10%, 50%, all; bake: 1m)'
  const gate = { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 }
  const controls = [{ kind: 'gate', version: 1, heeded: ['p13 stalled 1763845200000'], since: now } as const]
  const rows = fortyNodes().map((one, i) => (i < 3 ? { ...one, version: 1, since: now - 90_000 } : row(one.nodeId)))
  const { lines } = drawScreen(content({ rows, controls, manifest: manifest({ schedule, gate }) }), plain(100, 20))
  t.true(lines.includes('pages goes by steps  ✓ 1 node  ▸ 10%: 3 of 4 there  50%  all'))
  t.true(lines.includes('gate has heeded 1 trouble: p13 stalled'))
})

test('promises stand below the gate, and the one that is at stake says why', (t) => {
  const promises = [
    { kind: 'keeps', service: 'pages', serving: 39, of: null },
    { kind: 'within', ms: 3_600_000_000 },
  ] as const
  const promised = manifest({
    format: 4,
    identity: null,
    until: {},
    need: null,
    release: '0.2.0',
    level: null,
    promises,
  } as never)
  const rows = fortyNodes().map(({ nodeId }, i) => row(nodeId, i < 1 ? { alive: false } : {}))
  const { lines } = drawScreen(content({ rows, manifest: promised }), plain(160, 30))
  t.true(lines.includes('promise: done within 1000h: holds'), lines.join('\n'))
  const text =
    'keeps 39 nodes of pages serving: 39 of 40 nodes of pages serve, p01 not serving otherwise, and the next that goes leaves 38; 39'
  t.true(
    lines.some((line) => line.startsWith(`promise at stake: ${text}`)),
    lines.join('\n'),
  )
})

test('a system without nodes, and one without upgrades, are shown as such', (t) => {
  t.regex(drawScreen(content({ rows: [] }), plain(80, 10)).lines.at(-1)!, /no nodes$/)
  const { lines } = drawScreen(content({ rows: [row('a')], newest: 0 }), plain(80, 10))
  t.regex(lines[0]!, /^system demo, version 0 +done for 1m0s$/)
  const nothing = drawScreen({ ...content({ rows: [] }), watched: undefined, warning: 'unavailable: no database' }, plain(80, 10))
  t.is(nothing.lines[1], 'waits for the upgrade database')
  t.is(nothing.lines.at(-1), 'unavailable: no database')
})

test('wide characters, accents and control characters in reasons take their place and no other', (t) => {
  const reasons = [
    '漢字が多い'.repeat(20),
    'e\u0301'.repeat(100),
    '\u001b[2J\u001b[H\u009b31m\r\nboo\u0007',
    '👍🏽 ok '.repeat(30),
    '\u202e\u200bbackwards',
  ]
  const rows = reasons.map((reason, i) => row(`n${i}`, { phase: 'stalled', target: 1, reason, service: 'pages' }))
  const title = 'tab\there \u001b]0;title\u0007 漢字'
  for (const columns of [40, 41, 60, 61, 100]) {
    const terminal = new FakeTerminal(columns, 24)
    terminal.show(content({ rows, manifest: manifest({ title }) }))
    const { screen } = terminal.emulator
    t.is(screen.filter((line) => /^[▸ ] n\d/.test(line)).length, 5, screen.join('\n'))
    t.regex(screen.find((line) => line.includes('n2'))!, /^ {2}n2 /)
    t.regex(screen.at(-1)!, /^\? keys/)
    t.is(terminal.emulator.tears, 0)
  }
})

/** A thousand nodes, of which each time another few have gone on. */
function thousand(gone: number): readonly NodeRow[] {
  return Array.from({ length: 1000 }, (_, i) => {
    const nodeId = `n${String(i).padStart(4, '0')}`
    if (i < gone) return row(nodeId, { version: 1, since: now - 1_000 * (gone - i) })
    if (i < gone + 3) return row(nodeId, { phase: 'transforming', target: 1, since: now - 400 })
    return row(nodeId, { phase: 'scheduled', target: 1 })
  })
}

test('at a thousand nodes only lines that have changed are written, and the screen is what it would be if all were drawn', (t) => {
  const terminal = new FakeTerminal(120, 50)
  const whole = terminal.show(content({ rows: thousand(100) }, figures()))
  t.is(terminal.show(content({ rows: thousand(100) }, figures())), 0)
  const bytes: number[] = []
  for (let gone = 103; gone < 160; gone += 3) {
    bytes.push(terminal.show(content({ rows: thousand(gone) }, figures())))
    const afresh = new FakeTerminal(120, 50)
    afresh.show(content({ rows: thousand(gone) }, figures()))
    t.deepEqual(terminal.emulator.screen, afresh.emulator.screen)
  }
  const mean = bytes.reduce((sum, n) => sum + n, 0) / bytes.length
  t.log(`a whole screen of 120 × 50: ${whole} bytes; a redraw on the average ${mean.toFixed(0)}`)
  t.is(terminal.emulator.tears, 0)
  t.is(terminal.emulator.updates, bytes.length + 1)

  // A second goes by, and nothing happens but time: the ages of the nodes on the screen.
  const tick = terminal.show({ ...content({ rows: thousand(160) }, figures()), now: now + 1_000 })
  t.true(tick < whole, String(tick))
})

test('a node that moves on among a thousand costs a line or two, not a screen', (t) => {
  const terminal = new FakeTerminal(120, 50)
  const rows = thousand(100)
  const whole = terminal.show(content({ rows }, figures()))
  const changed = rows.map((one) => (one.nodeId === 'n0101' ? { ...one, phase: 'checking' as const } : one))
  const bytes = terminal.show(content({ rows: changed }, figures()))
  t.log(`one phase: ${bytes} bytes of ${whole}`)
  t.true(bytes < 250, String(bytes))
})

test('rows that are not on the screen are not looked at', (t) => {
  let asked = 0
  const counting: ProxyHandler<NodeRow> = {
    get(target, key) {
      if (key === 'hostId' || key === 'reason') asked++
      return Reflect.get(target, key)
    },
  }
  const of = content({ rows: thousand(100).map((one) => new Proxy(one, counting)) }, figures())
  asked = 0
  drawScreen(of, plain(120, 50))
  t.true(asked < 50 * 5, String(asked))
})

test('the selected row stays on the screen wherever its node goes', (t) => {
  const rows = thousand(100)
  const { lines, top } = drawScreen(content({ rows }, { state: { ...initialScreenState, selected: 'n0099' } }), plain(100, 30))
  t.regex(lines.find((line) => line.startsWith('▸'))!, /^▸ n0099 /)
  t.true(top > 900)
})

test('a line as wide as the terminal keeps its last character', (t) => {
  const emulator = new TerminalEmulator(10, 3)
  emulator.write('\u001b[?1049h\u001b[?7l')
  emulator.write(frameOf(undefined, ['0123456789', 'longer', ''], 10))
  emulator.write(frameOf(['0123456789', 'longer', ''], ['9876543210', 'short', 'x'], 10))
  t.deepEqual(emulator.screen, ['9876543210', 'short', 'x'])
  t.is(frameOf(['a'], ['a'], 10), '')
})
