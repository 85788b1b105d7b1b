/** The methods of a simulation object are told of as they run, where somebody listens. */
import 'reflect-metadata'
import test from 'ava'
import type { ObjectEnvironment } from '../../actors/serving/objectEnvironment.js'
import { watchedTable } from '../../actors/software/watchedTable.js'
import type { Hop, Telemetry } from '../../core/inspection/telemetry.js'
import { invoke, objectTable, simulationTable } from '../../core/model/methodTable.js'
import { describeClass } from '../../core/model/nodeObject.js'
import type { Simulation } from '../../core/model/simulation.js'
import { NotesV2, toV2 } from './notesClasses.js'

const so = toV2().classUpgrades[0]!.pastSO as Simulation
const simulated = describeClass(so.simulates)
const table = simulationTable(so, simulated, objectTable(describeClass(NotesV2)))

function watched(telemetry: Telemetry | undefined) {
  const around = { nodeId: 'n1', telemetry, trace: '00-trace' } as unknown as ObjectEnvironment
  return watchedTable(table, { version: 0, role: 'pastSO', so, over: 1, state: 0 }, around)
}

function invoked(methods: typeof table, name: string, ...args: readonly unknown[]): unknown {
  const object = { state: { notes: ['one'] } }
  const receivers = [object, { state: { mood: 'calm' } }].map((self) => ({ self, touch: () => {} }))
  return invoke(methods.entries.get(name)!, receivers, args)
}

test('where nobody listens to simulation objects their methods are as they are', (t) => {
  t.is(watched(undefined), table)
  t.is(watched({}), table)
})

test('a method of the simulation object itself runs within what is told of it, and its result comes back', (t) => {
  const hops: Hop[] = []
  const methods = watched({
    hop(hop, run) {
      hops.push(hop)
      return run()
    },
  })
  t.is(invoked(methods, 'mood'), 'calm')
  t.is(invoked(methods, 'setMood', 'merry'), undefined)
  const hop = { node: 'n1', role: 'pastSO', version: 0, className: 'Notes.v1', parent: '00-trace' } as const
  t.deepEqual(hops, [
    { ...hop, method: 'mood' },
    { ...hop, method: 'setMood' },
  ])
  t.is(methods.level, table.level)
  t.deepEqual([...methods.entries.keys()], [...table.entries.keys()])
})

test('a method that the simulation object hands on, or does not carry out, is not told of', (t) => {
  const methods = watched({
    hop() {
      throw new Error('it was told of')
    },
  })
  t.deepEqual(invoked(methods, 'all'), ['one'])
  t.throws(() => invoked(methods, 'mood'), { message: 'it was told of' })
  for (const [name, entry] of table.entries) if (so.methods[name] === undefined) t.is(methods.entries.get(name), entry, name)
})
