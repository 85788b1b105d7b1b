/** A node's life: each way leads where the table says, and from nowhere else. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { type LifeState, NodeLife } from '../../actors/node/nodeLife.js'

const states = ['starting', 'serving', 'upgrading', 'restarting', 'behind', 'leaving', 'stopped'] as const
const names = [
  ...['serve', 'fallBehind', 'upgrade', 'serveAfterUpgrade', 'crash', 'crashInUpgrade'],
  ...['serveAfterRestart', 'leave', 'stop'],
] as const
type Way = 'serve' | 'fallBehind' | 'upgrade' | 'serveAfterUpgrade' | 'crash' | 'crashInUpgrade'
type Ending = 'serveAfterRestart' | 'leave' | 'stop'

/** A life in this state, by the shortest way. */
function livesAs(state: LifeState): NodeLife {
  const life = new NodeLife()
  if (state === 'serving' || state === 'behind') life.serve(state === 'behind')
  if (state === 'upgrading') life.upgrade()
  if (state === 'restarting') life.crash()
  if (state === 'leaving') life.leave()
  if (state === 'stopped') life.stop()
  return life
}

/** The table at the file's head. */
function waysOfTable(): ReadonlyMap<string, { readonly from: readonly string[]; readonly to: readonly string[] }> {
  const source = readFileSync(new URL('../../../actors/node/nodeLife.ts', import.meta.url), 'utf8')
  const rows = [...source.matchAll(/^ \* \| `(\w+)` +\| ([^|]+) +\| ([^|]+) +\|$/gm)]
  const list = (text: string) => {
    const [, except] = /^all but (.+)$/.exec(text.trim()) ?? []
    return except === undefined ? text.trim().split(', ') : states.filter((state) => !except.split(' and ').includes(state))
  }
  return new Map(rows.map(([, way, from, to]) => [way!, { from: list(from!), to: to!.trim().split(', ') }]))
}

test('a node’s life has the states and ways of its table, and no others', (t) => {
  const table = waysOfTable()
  t.deepEqual([...table.keys()].sort(), [...names].sort())
  for (const state of states) {
    t.is(livesAs(state).state, state)
    for (const name of names) {
      const { from, to } = table.get(name)!
      for (const isAtDeadVersion of [false, true]) {
        const life = livesAs(state)
        const isTaken = life[name as Way | Ending](isAtDeadVersion)
        t.is(isTaken, from.includes(state), `${name} from ${state}`)
        t.is(life.state, isTaken ? (to[isAtDeadVersion && to.length > 1 ? 1 : 0] as LifeState) : state, `${name} from ${state}`)
      }
    }
  }
})

test('a node that leaves or has stopped is ending, in all other states it is not', (t) => {
  t.deepEqual(
    states.filter((state) => livesAs(state).isEnding),
    ['leaving', 'stopped'],
  )
})

test('a node is elsewhere from the moment on that another host has it', (t) => {
  const life = livesAs('serving')
  t.false(life.isElsewhere(1e12))
  life.markElsewhereFrom(500)
  t.deepEqual([life.isElsewhere(499), life.isElsewhere(500), life.isElsewhere(501)], [false, true, true])
})
