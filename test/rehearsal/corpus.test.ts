/**
 * Upgrades that are wrong, each as people write them, and their repaired twins: a check finds each wrong one,
 * and nothing in a twin.
 */
import test from 'ava'
import type { Upgrade } from 'theseus-actors'
import { readUpgrades } from 'theseus-actors/build'
import { check } from 'theseus-actors/rehearsal'
import { type CorpusCase, casesOf } from './corpusCases.js'

const histories = { wrong: 160, right: 16 }
type Twin = keyof typeof histories

const checked = casesOf('check')
/** All are bundled and read at once. */
const read = readUpgrades(
  checked.flatMap(({ before, wrong, right }) => [...before, wrong, right]),
  { typeCheck: false },
)

async function chainOf(wanted: CorpusCase, twin: Twin): Promise<readonly Upgrade[]> {
  const { upgrades } = await read
  const at = checked.slice(0, checked.indexOf(wanted)).reduce((sum, { before }) => sum + before.length + 2, 0)
  const length = wanted.before.length
  return [...upgrades.slice(at, at + length), upgrades[at + length + (twin === 'wrong' ? 0 : 1)]!]
}

async function reportOf(wanted: CorpusCase, twin: Twin) {
  const { parameters } = (await read).source
  const options = { source: { parameters }, seed: wanted.seed, histories: histories[twin], withinMs: 300_000 }
  return check(await chainOf(wanted, twin), { ...options, findingsMax: 1 })
}

for (const each of checked)
  test.serial(`check: ${each.name} is found, its twin is not`, async (t) => {
    const { findings, text } = await reportOf(each, 'wrong')
    t.true(findings[0] !== undefined && each.finds.includes(findings[0].kind), `${each.finds.join(' or ')}: ${text}`)
    const twin = await reportOf(each, 'right')
    t.true(twin.holds, twin.text)
    t.deepEqual(twin.hints, [], twin.text)
  })
