/**
 * The parts of the screen that reckon: rates, steps, the time to go, widths; and the terminal
 * that is given back.
 */
import { EventEmitter } from 'node:events'
import test from 'ava'
import { countsMax, hostServicesMax, Rates } from '../../../natsctl/watch/rates.js'
import { remainingMs, roundedDuration } from '../../../natsctl/watch/remainingTime.js'
import { stepsOf } from '../../../natsctl/watch/steps.js'
import { lineWidth } from '../../../natsctl/watch/styledLine.js'
import { layOutTable } from '../../../natsctl/watch/tableLayout.js'
import { Terminal } from '../../../natsctl/watch/terminal.js'
import { durationText, rateText } from '../../../natsctl/watch/valueFormat.js'
import { TerminalEmulator } from '../../support/terminalEmulator.js'
import { now, row } from './screenContents.js'

const told = (at: number, calls: number, times: readonly number[] = []) => ({
  at,
  service: 'pages',
  limit: { percent: 25 },
  versions: [{ version: 1, calls, simulated: calls, refused: 0, failed: 0, times }],
})

test('rates are what hosts have counted since, summed over them, by their own clocks', (t) => {
  const rates = new Rates()
  rates.hear('h1', told(90_000, 1_000), 0)
  t.is(rates.at(10)[0]!.calls, undefined)
  rates.hear('h2', told(5, 50), 10)
  rates.hear('h1', told(91_000, 1_100), 1_020)
  rates.hear('h2', told(2_005, 250), 2_010)
  const [version] = rates.at(2_100)
  t.is(version!.calls, 200)
  t.is(version!.simulated, 200)
  t.is(version!.failed, 0)
})

test('of a host without a word nobody knows; the others count on', (t) => {
  const rates = new Rates()
  for (let second = 0; second <= 10; second++) rates.hear('h1', told(second * 1_000, second * 10), second * 1_000)
  t.is(rates.at(10_100)[0]!.calls, 10)
  t.is(rates.at(15_000)[0]!.calls, 10)
  t.deepEqual(rates.at(15_100), [])
  for (let second = 11; second <= 20; second++) rates.hear('h2', told(second * 1_000, second * 4), second * 1_000)
  t.is(rates.at(20_100)[0]!.calls, 4)
})

test('counts that become smaller are a new beginning, not a negative rate', (t) => {
  const rates = new Rates()
  rates.hear('h1', told(0, 1_000), 0)
  rates.hear('h1', told(1_000, 400), 1_000)
  t.is(rates.at(1_100)[0]!.calls, undefined)
  rates.hear('h1', told(2_000, 450), 2_000)
  t.is(rates.at(2_100)[0]!.calls, 50)
})

test('the percentile is that of the last minute over all hosts, and the strictest limit counts', (t) => {
  const rates = new Rates()
  const counters = (fast: number, slow: number) => [fast, ...new Array<number>(9).fill(0), slow]
  rates.hear('h1', told(0, 0, counters(0, 50)), 0)
  for (let second = 1; second <= 100; second++)
    rates.hear('h1', told(second * 1_000, second, counters(second * 10, 50)), second * 1_000)
  t.true(rates.at(100_000)[0]!.p99Ms! < 1)
  rates.hear('h2', { ...told(0, 0), limit: { nodes: 1 } }, 99_000)
  rates.hear('h2', { ...told(1_000, 10, counters(0, 100)), limit: { nodes: 1 } }, 100_000)
  t.true(rates.at(100_000)[0]!.p99Ms! > 20)
  t.deepEqual(rates.limitOf('pages'), { percent: 25, nodes: 1 })
  t.is(rates.limitOf('mail'), undefined)
})

test('what is kept of a host is a minute of it, however long it is watched', (t) => {
  const rates = new Rates()
  for (let second = 0; second <= 4_000; second++) rates.hear('h1', told(second * 1_000, second), second * 1_000)
  t.is(rates.at(4_000_000)[0]!.calls, 1)
})

test('whoever tells figures in hosts’ names, or all the time, fills no memory; hosts that were there before count on', (t) => {
  const rates = new Rates()
  for (let second = 0; second <= 10; second++) rates.hear('h1', told(second * 1_000, second * 10), second * 1_000)
  for (let n = 0; n < 3 * hostServicesMax; n++) rates.hear(`forged-${n}`, { ...told(1, 1), service: 'forged' }, 10_000)
  rates.hear('h1', told(11_000, 110), 11_000)
  t.is(rates.at(11_100).find(({ service }) => service === 'pages')!.calls, 10)
  const { counts } = rates
  for (let n = 0; n < 50_000; n++) rates.hear('h1', told(11_001 + n, 110 + n), 11_000 + n / 1_000)
  t.true(rates.counts - counts < 100_000, `${rates.counts - counts}`)
  const versions = Array.from({ length: 1_024 }, (_, version) => ({
    ...told(0, 0).versions[0]!,
    version,
    times: new Array<number>(35).fill(1),
  }))
  for (let n = 0; n < 1_000; n++) rates.hear(`forged-${n}`, { ...told(20_000, 1), service: 'forged', versions }, 20_000)
  t.true(rates.counts <= countsMax)
  rates.at(1_000_000)
  t.is(rates.counts, 0)
})

test('steps: the current one is the first whose nodes are not all there, or have not served long enough', (t) => {
  const schedule = 'within(02:00 UTC for 2h, steps(1 node, 10%, 50%, all; bake: 1m))'
  const rows = (there: number, since: number) =>
    Array.from({ length: 40 }, (_, i) => row(`n${String(i).padStart(2, '0')}`, i < there ? { version: 1, since } : {}))
  const at = (there: number, ago: number) => stepsOf(schedule, rows(there, now - ago), 1, now)!
  t.like(at(0, 0), { current: 0, bakesForMs: undefined })
  t.like(at(1, 20_000), { current: 0, bakesForMs: 40_000 })
  t.like(at(1, 60_000), { current: 1, bakesForMs: undefined })
  t.deepEqual(at(3, 90_000).steps[1], { size: '10%', nodes: 4, there: 3 })
  t.is(at(20, 90_000).current, 3)
  t.is(at(40, 0).current, 4)
  t.is(stepsOf('gradually({ every: 10s, probability: 0.2 })', [], 1, now), undefined)
  t.is(stepsOf('steps(all; bake: long)', [], 1, now), undefined)
})

test('the time to go is told only where there is enough to go by', (t) => {
  const every = (n: number) => Array.from({ length: n }, (_, i) => 10_000 * (i + 1))
  t.is(remainingMs({ at: every(2), beganAt: 0, toCome: 8 }, 20_000), undefined)
  t.is(remainingMs({ at: every(10), beganAt: 0, toCome: 0 }, 100_000), undefined)
  t.is(remainingMs({ at: every(10), beganAt: 0, toCome: 6 }, 100_000), 60_000)
  t.is(remainingMs({ at: every(3), beganAt: 0, toCome: 1 }, 30_000), 10_000)
  // At a standstill it becomes more.
  t.is(remainingMs({ at: every(10), beganAt: 0, toCome: 6 }, 200_000), 180_000)
  t.deepEqual([5_000, 44_000, 170_000, 7_200_000, 3 * 86_400_000].map(roundedDuration), [
    'less than 10s',
    'about 40s',
    'about 3m',
    'about 2h',
    'about 3d',
  ])
})

test('numbers and times are short', (t) => {
  t.deepEqual([undefined, 0, 0.01, 1.25, 12.6, 99_999, 123_456].map(rateText), ['–', '0', '<0.1', '1.3', '13', '99999', '123k'])
  t.deepEqual([undefined, 0.3, 1.41, 23.4, 1_500].map(durationText), ['–', '<1ms', '1.4ms', '23ms', '1.5s'])
})

test('columns go by their rank until the table fits; one takes what is left', (t) => {
  const columns = [
    { title: 'A', rank: 1, min: 4, cell: () => 'a' },
    { title: 'B', rank: 3, min: 10, cell: () => 'b' },
    { title: 'C', rank: 2, min: 5, wants: 20, cell: () => 'c'.repeat(50) },
  ]
  const titles = (width: number) =>
    layOutTable(columns, [0], width)
      .header.map((span) => (typeof span === 'string' ? '' : span.text.trim()))
      .join('')
  t.deepEqual([60, 38, 37, 15, 10, 3].map(titles), ['ABC', 'ABC', 'AC', 'AC', 'A', 'A'])
  for (const width of [60, 38, 37, 15]) t.is(lineWidth(layOutTable(columns, [0], width).lines[0]!), width)
})

/** As much of a terminal as it needs. */
function fakeTerminal() {
  const emulator = new TerminalEmulator(20, 4)
  const input = Object.assign(new EventEmitter(), {
    isTTY: true as const,
    isRaw: false,
    isPaused: false,
    setRawMode(isRaw: boolean) {
      input.isRaw = isRaw
      return input
    },
    resume: () => Object.assign(input, { isPaused: false }),
    pause: () => Object.assign(input, { isPaused: true }),
    setEncoding: () => input,
  })
  const written: string[] = []
  const output = Object.assign(new EventEmitter(), {
    columns: 20,
    rows: 4,
    write: (text: string) => {
      written.push(text)
      return emulator.write(text)
    },
  })
  const heard: string[] = []
  const listener = {
    key: (key: unknown) => void heard.push(JSON.stringify(key)),
    changed: () => void heard.push('changed'),
    ended: () => void heard.push('ended'),
  }
  const terminal = new Terminal(listener, input as any, output as any)
  const isGivenBack = () =>
    !emulator.isOther && emulator.isCursorShown && emulator.modes.get(7) === true && !emulator.modes.get(2004) && !input.isRaw
  return { emulator, input, output, written, heard, terminal, isGivenBack }
}

test.serial('the terminal is taken, and given back when it is closed, once', (t) => {
  const { emulator, input, written, heard, terminal, isGivenBack } = fakeTerminal()
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  terminal.open()
  t.true(emulator.isOther && input.isRaw && !emulator.isCursorShown)
  terminal.show(['one', 'two'])
  t.is(emulator.text, 'one\ntwo')
  input.emit('data', 'q')
  t.deepEqual(heard, ['{"text":"q"}'])
  terminal.close()
  t.true(isGivenBack())
  const { length } = written
  terminal.close()
  // A second time it would disturb the screen of the program that is there by then.
  t.is(written.length, length)
  t.true(input.isPaused)
  t.is(
    process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    listeners,
  )
  terminal.show(['too late'])
  t.is(emulator.text, '')
})

test.serial(
  'an exception that nobody catches, and an exit from anywhere, give the terminal back before anything is said',
  (t) => {
    for (const event of ['uncaughtExceptionMonitor', 'exit'] as const) {
      const { terminal, isGivenBack } = fakeTerminal()
      const others = process.listeners(event as 'exit')
      terminal.open()
      t.false(isGivenBack())
      for (const listener of process.listeners(event as 'exit')) if (!others.includes(listener)) listener(0)
      t.true(isGivenBack(), event)
      terminal.close()
    }
  },
)

test.serial('a terminal that has gone ends it; one that was stopped in between is drawn anew', (t) => {
  const { emulator, input, output, heard, terminal } = fakeTerminal()
  terminal.open()
  terminal.show(['one'])
  emulator.write('\u001b[?2026h\u001b[2J\u001b[?2026l')
  process.emit('SIGCONT', 'SIGCONT')
  terminal.show(['one'])
  t.is(emulator.text, 'one')
  output.emit('resize')
  t.deepEqual(heard, ['changed', 'changed'])
  input.emit('end')
  t.is(heard.at(-1), 'ended')
  terminal.close()
})
