import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Failure } from '../../natsctl/output/exitCodes.js'
import { readUpConfig } from '../../natsctl/up/upConfig.js'
import { type NeighbourConfigs, neighboursOption } from '../../natsctl/up/upNeighbours.js'
import { alice } from '../support/signedManifests.js'
import { newDirectory } from './natsctlProcess.js'

function write(t: ExecutionContext, config: unknown): string {
  const file = join(newDirectory(t), 'theseus.json')
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config))
  return file
}

test('a config is read with its modules beside it', async (t) => {
  const file = write(t, {
    system: 'demo',
    nats: 'nats://one:4222',
    redis: { port: 6380 },
    hosts: { h1: { module: './pages.js', nodes: { p1: 'PagesV1' } } },
  })
  const config = await readUpConfig(file, undefined)
  t.like(config, { system: 'demo', nats: { url: 'nats://one:4222' }, redis: { port: 6380 } })
  const nodes = [{ id: 'p1', exportName: 'PagesV1' }]
  t.is(config.directory, dirname(file))
  t.deepEqual(config.hosts, [{ id: 'h1', module: './pages.js', path: join(dirname(file), 'pages.js'), nodes, facts: {} }])
})

test('the name of the system may come from its flag', async (t) => {
  t.is((await readUpConfig(write(t, {}), 'other')).system, 'other')
})

test('a config names neighbours, their servers and whom they trust', async (t) => {
  const neighbours = {
    warehouse: { nats: 'nats://two:4222', redis: 'redis-sentinel://two,three/main', trust: 'nobody' },
    bank: { redis: 'rediss://three:6379', trust: [alice.publicKey] },
  }
  t.deepEqual((await readUpConfig(write(t, { system: 'demo', neighbours }), undefined)).neighbours, neighbours)
  t.deepEqual((await readUpConfig(write(t, { system: 'demo' }), undefined)).neighbours, {})
  const { neighbours: option } = neighboursOption(neighbours as NeighbourConfigs)
  t.deepEqual(Object.keys(option!), ['warehouse', 'bank'])
  t.deepEqual(
    Object.values(option!).map(({ transport, trust }) => [transport !== undefined, trust]),
    [
      [true, 'nobody'],
      [false, [alice.publicKey]],
    ],
  )
  t.deepEqual(neighboursOption({}), {})
})

const host = { module: './pages.js', nodes: { p1: 'PagesV1' } }
const wrong: readonly (readonly [string, unknown])[] = [
  ['this is not JSON', '{'],
  ['the whole', []],
  ['system', {}],
  ['system', { system: 'a b' }],
  ['sytem', { sytem: 'demo' }],
  ['nats', { system: 'demo', nats: 'http://localhost' }],
  ['nats.port', { system: 'demo', nats: { port: '4222' } }],
  ['nats.prt', { system: 'demo', nats: { prt: 4222 } }],
  ['redis', { system: 'demo', redis: 'http://one' }],
  ['hosts', { system: 'demo', hosts: [] }],
  ['hosts.h 1', { system: 'demo', hosts: { 'h 1': host } }],
  ['hosts.h1.module', { system: 'demo', hosts: { h1: { nodes: {} } } }],
  ['hosts.h1.nodes', { system: 'demo', hosts: { h1: { module: './pages.js' } } }],
  ['hosts.h1.metrics', { system: 'demo', hosts: { h1: { ...host, metrics: '9464' } } }],
  ['hosts.h1.facts', { system: 'demo', hosts: { h1: { ...host, facts: { zone: 1 } } } }],
  ['trust', { system: 'demo', trust: [] }],
  ['trust', { system: 'demo', trust: ['SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI'] }],
  ['neighbours', { system: 'demo', neighbours: [] }],
  ['neighbours.a b', { system: 'demo', neighbours: { 'a b': {} } }],
  ['neighbours.w.trust', { system: 'demo', neighbours: { w: { redis: 'redis://one' } } }],
  ['neighbours.w.redis', { system: 'demo', neighbours: { w: { trust: 'nobody' } } }],
  ['neighbours.w.nats', { system: 'demo', neighbours: { w: { nats: 1, redis: 'redis://one', trust: 'nobody' } } }],
  ['neighbours.w.udb', { system: 'demo', neighbours: { w: { udb: 1 } } }],
  ['hosts.h1.modul', { system: 'demo', hosts: { h1: { ...host, modul: 'x' } } }],
  ['hosts.h1.nodes.p1', { system: 'demo', hosts: { h1: { ...host, nodes: { p1: 1 } } } }],
  ['hosts.h2.nodes.p1', { system: 'demo', hosts: { h1: host, h2: host } }],
]

for (const [field, config] of wrong) {
  test(`a wrong config is one line that names ${field}: ${JSON.stringify(config)}`, async (t) => {
    const failure = await t.throwsAsync(readUpConfig(write(t, config), undefined), { instanceOf: Failure })
    t.is(failure.exitCode, 2)
    t.true(failure.message.includes(`theseus.json: ${field}: `), failure.message)
    t.false(failure.message.includes('\n'))
  })
}
