/**
 * Wrong upgrades of the corpus that are found without a check: by the compiler, by "build", by a plan, at the
 * publication, and by the health gate of a running system. None of them stops a repaired twin.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { NodeClass, Upgrade } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { withBuildSettings } from '../../natsctl/build/buildSettings.js'
import { runCompiler } from '../../natsctl/build/typeCheck.js'
import { tellStories } from '../../rehearsal/rollout/promiseStories.js'
import { planRollout } from '../../rehearsal/rollout/rolloutPlan.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { type CorpusCase, casesOf, places } from './corpusCases.js'
import { proposal, row } from './proposals.js'

/** The compiled module. */
async function moduleOf(path: string): Promise<Record<string, unknown>> {
  return import(pathToFileURL(resolve('dist', path.replace(/ts$/, 'js'))).href)
}

async function upgradeOf(path: string): Promise<Upgrade> {
  return (await moduleOf(path)).default as Upgrade
}

const beside = ({ wrong }: CorpusCase) => moduleOf(wrong.replace('wrong.ts', 'v1.ts'))

/** All that the compiler refuses are compiled as one program. The twins are compiled with everything else. */
const compiled = casesOf('compiler')
const compilerOutput = withBuildSettings(resolve(compiled[0]!.wrong), async (tsconfig) => {
  const all = tsconfig.replace(/json$/, 'all.json')
  await writeFile(all, JSON.stringify({ extends: tsconfig, files: compiled.map(({ wrong }) => resolve(wrong)) }))
  return (await runCompiler(resolve(compiled[0]!.wrong), ['--project', all, '--pretty', 'false'])).output
})

for (const { name, wrong, finds } of compiled)
  test(`compiler: ${name} does not compile`, async (t) => {
    const output = await compilerOutput
    // The lines of an error follow its first one, indented.
    const errors = output.split(/\n(?=\S)/).filter((error) => error.split('(')[0]!.endsWith(wrong))
    t.true(errors.length > 0, output)
    for (const part of finds)
      t.true(
        errors.some((error) => error.includes(part)),
        errors.join('\n'),
      )
  })

for (const { name, wrong, right, finds } of casesOf('build'))
  test(`build: ${name} is refused, its twin is built`, async (t) => {
    const error = await t.throwsAsync(buildUpgrade(wrong, { typeCheck: false }), { code: 'upgrade.invalid' })
    t.true(error.message.includes(finds[0]!), error.message)
    t.is((await buildUpgrade(right, { typeCheck: false })).manifest.title, (await upgradeOf(right)).title)
  })

const chances = { seed: 1, stories: 8, failures: 0 }

for (const each of casesOf('plan'))
  test(`plan: ${each.name} breaks its promise or stands still, its twin does not`, async (t) => {
    const { nodes } = (await beside(each)) as { readonly nodes: readonly Pick<NodeRow, 'nodeId' | 'service' | 'className'>[] }
    const planned = async (path: string) => {
      const rows = nodes.map(({ nodeId, ...more }) => row(nodeId, more))
      const proposed = proposal(await upgradeOf(path), rows, { assumed: { limit: { percent: 100 } } })
      const { absent } = await planRollout(proposed, { seed: 1, runs: 1 })
      const { worst } = await tellStories(proposed, chances)
      return [
        ...absent.map(({ obstacle }) => `absent: ${obstacle.kind}`),
        ...(worst?.broken == null ? [] : [`broken: ${worst.broken.what}`]),
      ]
    }
    const found = await planned(each.wrong)
    t.true(
      found.some((line) => line.startsWith(each.finds[0]!)),
      found.join('\n'),
    )
    t.deepEqual(await planned(each.right), [])
  })

async function published(t: ExecutionContext, paths: readonly string[]): Promise<void> {
  const system = await TestSystem.start(t)
  for (const path of paths) await system.publish(await upgradeOf(path))
}

for (const { name, before, wrong, right, finds } of casesOf('publish'))
  test(`publish: ${name} is refused, its twin is installed`, async (t) => {
    const error = await t.throwsAsync(published(t, [...before, wrong]))
    t.true(error.message.includes(finds[0]!), error.message)
    await t.notThrowsAsync(published(t, [...before, right]))
  })

interface Traffic {
  readonly FirstClass: NodeClass
  readonly traffic: readonly (readonly [method: string, ...args: unknown[]])[]
}

/** Why the rollout has paused itself; undefined when both nodes have come through. */
async function rolledOut(t: ExecutionContext, each: CorpusCase, path: string): Promise<string | undefined> {
  const { FirstClass, traffic } = (await beside(each)) as unknown as Traffic
  const system = await TestSystem.start(t, { controlsMs: 5, limit: { percent: 100 } }, { gateRound: 5 })
  const host = await system.host('h1')
  for (const id of ['n1', 'n2']) await host.node(FirstClass, id)
  await system.publish(await upgradeOf(path))
  const { operator } = system.desk.running
  const pause = async () => (await operator.database.controls()).find(({ kind }) => kind === 'pause')
  const isThere = (id: string) => host.nodes.get(id)!.version === 1
  await until(async () => isThere('n1') || isThere('n2') || (await pause()) !== undefined, 'the first node goes')
  for (const id of ['n1', 'n2'])
    for (const [method, ...args] of traffic)
      await operator.call({ node: id }, method, args, { version: 0, kind: 'command' }).catch(() => {})
  const found = await until(
    async () => (await pause()) ?? (isThere('n1') && isThere('n2') ? 'all there' : undefined),
    'the gate closes, or all nodes are there',
  )
  return typeof found === 'string' ? undefined : (found as { readonly reason: string }).reason
}

for (const each of casesOf('gate'))
  test(`gate: ${each.name} pauses its rollout, its twin comes through`, async (t) => {
    const reason = await rolledOut(t, each, each.wrong)
    t.true(reason?.includes(each.finds[0]!), reason)
    t.is(await rolledOut(t, each, each.right), undefined)
  })

test('the page of the corpus has each case once, and no other', async (t) => {
  const page = await readFile('docs/corpus.md', 'utf8')
  const named = [...page.matchAll(/\(`(\w+\/\w+)`\)/g)].map(([, name]) => name!)
  const all = places.flatMap((place) => casesOf(place).map(({ name }) => `${place}/${name}`))
  t.deepEqual(named.toSorted(), all.toSorted())
  t.true(all.length >= 40)
})
