/** Nodes of a shard that are asleep, and are woken in passing. */
import test from 'ava'
import { Sleepers, type SleepersServices } from '../../actors/host/sleepers.js'
import type { Node } from '../../actors/node/node.js'
import { keys, recordFormat } from '../../core/model/nodeRecord.js'
import { pack } from '../../core/wire/codec.js'
import { until } from '../support/eventually.js'
import { VirtualClock } from '../support/virtualClock.js'

const record = (nodeId: string, version: number) => ({
  ...{ format: recordFormat, nodeId, newest: version, upgrade: null },
  generation: { version },
})

test('a node that does not reach the version that it was woken for is woken for it again', async (t) => {
  const clock = new VirtualClock()
  t.teardown(() => clock.stop())
  let version = 1
  let woken = 0
  const stored = () => [[keys.record('a'), pack(record('a', version))] as const]
  const journal = { range: (from: string) => (from === keys.allRecords[0] ? stored() : []) }
  const services = {
    clock,
    journal,
    observe: () => {},
    settings: { wakingMax: 1, fenceAnswerMs: 100 },
    nodeRowCache: { nodes: async () => [{ nodeId: 'a', phase: 'current', version }] },
  } as unknown as SleepersServices
  const sleepers = new Sleepers(
    {
      ...{ name: 'shard 0 of carts', service: 'carts', shard: 0, shards: 1, isEnding: false },
      isAwake: () => false,
      async wake() {
        // The version can be had when it is woken for the second time.
        if (++woken > 1) version = 2
        return { phase: 'current', version } as Node
      },
    },
    services,
  )
  t.teardown(() => sleepers.stop())
  t.true(sleepers.reach(2))
  await until(() => version === 2, 'it is there')
  await clock.passes(60_000)
  t.is(woken, 2)
})
