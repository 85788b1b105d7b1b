/**
 * A rollout with a promise over real hosts: the node that would break it waits, an upgrade server pauses the
 * rollout for it, and an operator who resumes has decided.
 */
import test, { type ExecutionContext } from 'ava'
import { defineUpgrade, keeps, oneReplicaAtATime, promising, schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const ids = ['a-1', 'a-2', 'a-3'] as const
const twoOfThree = keeps({ service: 'notes', serving: 2, of: '{set}-*' })
const what = /keeps 2 nodes of each set \{set\}-\* of notes serving: 2 of 3 nodes of set a serve, a-3 not serving otherwise/

/** Nobody goes before `go` is set; then one replica at a time. */
const inTurn = promising(
  schedule('in turn', async (view) => {
    await view.until(async () => (await view.table('go')).has('on'))
    await oneReplicaAtATime().run(view)
  }),
  twoOfThree,
)

/** A host for each of three replicas; that of a-3 is killed before any node goes. */
async function open(t: ExecutionContext, gateRound: number) {
  const system = await TestSystem.start(
    t,
    { controlsMs: 5, leaseMs: 600, populationMs: 20, limit: { percent: 100 } },
    { gateRound },
  )
  const hosts = new Map<string, Awaited<ReturnType<typeof system.host>>>()
  for (const id of ids) {
    const host = await system.host(`h-${id}`)
    await host.node(NotesV1, id)
    hosts.set(id, host)
  }
  const { operator } = system.desk.running
  const [classUpgrade] = toV2().classUpgrades
  await system.publish(defineUpgrade({ title: 'in turn', classUpgrades: [{ ...classUpgrade!, schedule: inTurn }] }))
  for (const id of ids) await hosts.get(id)!.untilPhase(id, 'scheduled')
  const lose = async () => {
    hosts.get('a-3')!.kill()
    const isGone = async () => (await operator.database.nodes()).some(({ nodeId, alive }) => nodeId === 'a-3' && !alive)
    await until(isGone, 'its lease runs out')
  }
  const go = () => operator.database.setInTable('go', 'on', 'yes')
  const reason = () => hosts.get('a-1')!.last('a-1')?.reason ?? ''
  const pause = async () => (await operator.database.controls()).find(({ kind }) => kind === 'pause')
  const version = (id: string) => hosts.get(id)!.nodes.get(id)!.version
  return { hosts, operator, lose, go, reason, pause, version }
}

test('while all replicas are there, a rollout that promises two of three goes on, one at a time', async (t) => {
  const { hosts, go, pause } = await open(t, 5)
  await go()
  for (const id of ids) await hosts.get(id)!.nodes.get(id)!.reached(1)
  t.is(await pause(), undefined)
})

test('a node whose going would break the promise waits for it, before any upgrade server looks', async (t) => {
  const { hosts, lose, go, reason, pause, version, operator } = await open(t, 3_600_000)
  await lose()
  await go()
  await until(() => reason().includes('waits for the promise of the upgrade'), 'it says for what it waits')
  t.regex(reason(), what)
  t.is(await pause(), undefined)
  t.is(version('a-1'), 0)
  await operator.upgradeNow('a-1')
  await hosts.get('a-1')!.nodes.get('a-1')!.reached(1)
  t.is(version('a-2'), 0, 'only the one that an operator has told to go')
})

test('an upgrade server pauses the rollout for it, and after a resume the nodes go', async (t) => {
  const { hosts, operator, lose, go, pause } = await open(t, 5)
  await lose()
  await go()
  const paused = await until(() => pause(), 'the rollout is paused')
  t.true(paused?.kind === 'pause' && paused.reason.startsWith('a promise is about to be broken: ') && what.test(paused.reason))
  await operator.resume(1)
  for (const id of ['a-1', 'a-2']) await hosts.get(id)!.nodes.get(id)!.reached(1)
  t.is(await pause(), undefined, 'the same trouble does not pause it again')
})
