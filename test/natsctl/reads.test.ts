/** Every command that only reads, in every form, against a real system. */
import { join } from 'node:path'
import test from 'ava'
import { buildUpgrade } from 'theseus-actors/build'
import { parse } from 'yaml'
import { until } from '../support/eventually.js'
import { natsctl, root } from './natsctlProcess.js'
import { startPages, systemsOf } from './natsctlSystem.js'

const systems = systemsOf('reads')
let env: Readonly<Record<string, string>>

test.before(async () => {
  const at = systems()
  env = at.env
  // Nothing dies meanwhile: each form is asked for by itself.
  const { host } = await startPages(systems.file, at, ['p1', 'p2'], { deathRound: '1h' })
  await host.publish(await buildUpgrade(join(root, 'samples/02-pages-comments/upgrades/1-comments.ts'), { typeCheck: false }))
  await host.operator.setInTable('authorized', 'p1', 'yes')
  const isThere = async (): Promise<boolean> =>
    (await host.operator.database.nodes()).every(({ version, phase }) => version === 1 && phase === 'current')
  await until(isThere, 'every node at version 1')
})

const reads: readonly (readonly [command: string, names: readonly string[], wideColumn: string])[] = [
  ['node ls', ['node/p1', 'node/p2'], 'DIRECTORY'],
  ['node describe p1', ['node/p1'], 'Pages.v2 at version 1'],
  ['node describe p1 --state', ['node/p1'], 'object    Pages.v2 at version 1: pages, comments'],
  ['version ls', ['version/0', 'version/1'], 'DEAD SINCE'],
  ['upgrade ls', ['version/1'], 'BYTES'],
  ['history', ['version/1'], 'PREVIOUS'],
  ['table ls', ['table/authorized'], 'KEYS'],
  ['table get authorized', ['table/authorized'], 'BYTES'],
  ['rollout status', ['service/pages'], 'SERVICE'],
  ['explain', [], 'version 1 of system reads1'],
  ['explain p1', ['node/p1'], 'p1 of pages'],
  ['upgrader ls', [], ''],
]

for (const [command, names, wide] of reads) {
  test(`"${command}" is read in every form`, async (t) => {
    const printed = async (form: string): Promise<string> => {
      const { code, stdout, stderr } = await natsctl(t, [...command.split(' '), '-o', form], { env })
      t.is(code, 0, stderr)
      return stdout
    }
    t.deepEqual((await printed('name')).split('\n').slice(0, -1), [...names])
    t.deepEqual(parse(await printed('yaml')), JSON.parse(await printed('json')))
    t.true((await printed('wide')).includes(wide))
  })
}

test('a read of a system that nobody was ever heard of ends with 6 and the nearest names', async (t) => {
  const { THESEUS_SYSTEM: system = '' } = env
  for (const command of ['node ls', 'version ls', 'rollout status', 'table ls', 'orders']) {
    const { code, stdout, stderr } = await natsctl(t, [...command.split(' '), '--system', `${system}x`], { env })
    t.deepEqual([code, stdout], [6, ''], command)
    t.is(stderr, `error: there is no system ${system}x: nobody was ever heard of there; did you mean ${system}?\n`)
  }
})
