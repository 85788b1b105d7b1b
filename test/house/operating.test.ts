/**
 * docs/operating.md says how failures look: the tests that show it exist, and so do the metrics, phases and
 * commands it tells of.
 */
import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { createHost, faultCodes } from '../../index.js'
import { prometheus } from '../../telemetry/prometheus/index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { isTestTitle } from '../support/testTitles.js'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const page = read('docs/operating.md')
const failures = rowsOf(page.slice(page.indexOf('## What can fail'), page.indexOf('### Notes on failures')))
/** The tests of each failure are in a table of their own: an operator needs no titles of tests. */
const tested = rowsOf(read('test/house/failures.md'))

/** The rows of the only table of a text, without its head. */
function rowsOf(text: string): string[][] {
  const rows = text.split('\n').filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

test('every failure has what callers see, what the operator sees, and what ends it', (t) => {
  t.true(failures.length > 15)
  for (const row of failures) {
    t.is(row.length, 4, row[0])
    t.true(
      row.every((cell) => cell !== ''),
      row[0],
    )
  }
})

test('every failure of the page, and no other, has tests that exist', (t) => {
  t.deepEqual(
    tested.map(([failure]) => failure),
    failures.map(([failure]) => failure),
  )
  for (const [failure, titles] of tested) {
    const named = [...titles!.matchAll(/\*([^*]+)\*/g)].map((match) => match[1]!)
    t.true(named.length > 0, failure)
    t.deepEqual(
      named.filter((title) => !isTestTitle(title)),
      [],
      failure,
    )
  }
})

for (const name of ['errors', 'natsctl', 'operating', 'redis', 'security']) {
  test(`docs/${name}.md names no test by its title: titles are for those who work on the code`, (t) => {
    const italics = [...read(`docs/${name}.md`).matchAll(/\*([^*\n]+)\*/g)].map((match) => match[1]!)
    t.deepEqual(
      italics.filter((text) => isTestTitle(text)),
      [],
    )
  })
}

test('the faults and metrics that the page names are there', async (t) => {
  const host = await createHost({ system: 'page', state: memoryStore(), metrics: prometheus({ port: 0, processMetrics: false }) })
  t.teardown(() => host.stop())
  const metrics = await (await fetch(`${host.metricsUrl}/metrics`)).text()
  const named = [...page.matchAll(/\btheseus_[a-z0-9_]*[a-z0-9]/g)].map(([name]) => name)
  t.deepEqual(
    named.filter((name) => !metrics.includes(`# HELP ${name} `)),
    [],
  )
  const codes = [...page.matchAll(/`((?:unavailable|timeout|version|upgrade|protocol)\.[a-z-]+)`/g)].map((match) => match[1]!)
  t.true(codes.length > 10)
  t.deepEqual(
    codes.filter((code) => !(code in faultCodes)),
    [],
  )
})

test('the commands that the page shows are those of natsctl', (t) => {
  const known = read('docs/natsctl.md')
  const shown = [...page.matchAll(/natsctl ((?:rollout|node|upgrade|version|call|up)(?: (?!p\d)[a-z]+)?)/g)].map(
    (match) => match[1]!,
  )
  t.true(shown.length > 15)
  const [subcommands, alone] = [shown.filter((command) => command.includes(' ')), ['call', 'up']]
  for (const command of subcommands) {
    const [group, verb] = command.split(' ')
    const isKnown = alone.includes(group!) || new RegExp(`## natsctl ${group} [a-z|]*\\b${verb}\\b`).test(known)
    t.true(isKnown, command)
  }
})
