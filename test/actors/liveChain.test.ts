/**
 * The objects of a chain are made from its plan: simulation objects that stay as they were go
 * on, the others end.
 */
import 'reflect-metadata'
import test from 'ava'
import type { ObjectEnvironment } from '../../actors/serving/objectEnvironment.js'
import { buildChain, type LiveSimulation } from '../../actors/software/liveChain.js'
import { LiveContext, type RunningObject } from '../../actors/software/liveObject.js'
import { Fault, isFault } from '../../core/base/fault.js'
import { invoke } from '../../core/model/methodTable.js'
import { describeClass, type Lifecycle, type NodeClass } from '../../core/model/nodeObject.js'
import type { Generation } from '../../core/model/nodeRecord.js'
import type { Simulation } from '../../core/model/simulation.js'
import { type ChainPlan, planChain, type Step } from '../../core/upgrade/chainPlan.js'
import { command, NodeObject, pastSO, query } from '../../index.js'
import { NotesV1, NotesV2, NotesV3, toV2, toV3 } from './notesClasses.js'

const [first, second] = [toV2(), toV3()].map(
  ({ classUpgrades }, i): Step => ({ version: i + 1, classUpgrade: classUpgrades[0]!, undoes: null }),
)
const steps = [first!, second!]
const alone = (version: number): Step => ({ version, classUpgrade: 'leavesAlone', undoes: null })
const classes: readonly NodeClass[] = [NotesV1, NotesV2, NotesV3]

class Around {
  readonly nodeId = 'n1'
  readonly telemetry = undefined
  readonly tallies: string[] = []
  readonly told: string[] = []
  readonly state = {
    open: (slot: string, holder: { state: object }) => {
      this.told.push(`open ${slot}`)
      holder.state = {}
    },
    close: (slot: string) => void this.told.push(`close ${slot}`),
    touch: () => {},
  }
  tally(version: number, isSimulated: boolean) {
    this.tallies.push(`${version} ${isSimulated ? 'simulated' : 'own'}`)
    return { calls: 0 }
  }
}

function open(version: number, definition: NodeClass = classes[version]!) {
  const around = new Around()
  const surroundings = around as unknown as ObjectEnvironment
  const newObject = (): RunningObject => {
    const description = describeClass(definition)
    const instance = {} as unknown as Lifecycle
    return { instance, definition, context: new LiveContext(instance, surroundings, '1.9', null, description) }
  }
  const simulations = Object.fromEntries([0, 1, 2, 3, 4].map((of) => [of, `1.${of}`]))
  const generation = { number: 1, version, className: definition.className, object: '1.9', simulations } as unknown as Generation
  const object = newObject()
  const build = (
    plan: ChainPlan,
    before: readonly LiveSimulation[] = [],
    { of = object, at = (v: number) => classes[Math.min(v, 2)]!, over = generation } = {},
  ) => {
    const live = buildChain(plan, over, of, at, surroundings, before)
    return { ...live, took: around.told.splice(0), tallies: around.tallies.splice(0) }
  }
  return { around, object, newObject, generation, build }
}

const versionsOf = (simulations: readonly LiveSimulation[]) => simulations.map(({ version }) => version)

test('SOs are made over their states, from the object outwards, and each version has its class', (t) => {
  const { build, object } = open(1)
  const { chain, simulations, took, tallies } = build(planChain(1, 0, steps))
  t.deepEqual(took, ['open 1.0', 'open 1.2'])
  t.deepEqual(versionsOf(simulations), [0, 2])
  t.deepEqual(tallies, ['1 own', '0 simulated', '2 simulated'])
  t.deepEqual(
    chain.links.map(({ version, role, className }) => `${version} ${role} ${className}`),
    ['0 pastSO Notes.v1', '1 object Notes.v2', '2 futureSO Notes.v3'],
  )
  for (const { receivers, role } of chain.links) {
    t.is(receivers[0], object.context)
    t.is(receivers.length, role === 'object' ? 1 : 2)
  }
})

test('a chain that gets a link keeps the SOs that it has, as they are', (t) => {
  const { build } = open(1)
  const before = build(planChain(1, 0, steps.slice(0, 1)))
  const after = build(planChain(1, 0, steps), before.simulations)
  t.deepEqual(after.took, ['open 1.2'])
  t.deepEqual(versionsOf(after.simulations), [0, 2])
  t.is(after.simulations[0], before.simulations[0])
  t.is(after.chain.links[0]!.methods, before.chain.links[0]!.methods)
  t.false(after.simulations[0]!.context.signal.aborted)
  const again = build(planChain(1, 0, steps), after.simulations)
  t.deepEqual(again.took, [])
  t.deepEqual(again.simulations, after.simulations)
})

test('the SO of a version that the chain does not answer any more is closed, and the others go on', (t) => {
  const { build } = open(1)
  const before = build(planChain(1, 0, steps))
  const after = build(planChain(1, 1, steps.slice(1)), before.simulations)
  t.deepEqual(after.took, ['close 1.0'])
  const [past, future] = before.simulations as [LiveSimulation, LiveSimulation]
  t.true(past.context.signal.aborted)
  t.false(future.context.signal.aborted)
  t.deepEqual(after.simulations, [future])
})

test('SOs over another object, or over an SO that is made anew, are made anew', (t) => {
  const { build, newObject } = open(2)
  const before = build(planChain(2, 0, steps))
  t.deepEqual(versionsOf(before.simulations), [1, 0])
  const after = build(planChain(2, 0, steps), before.simulations, { of: newObject() })
  t.deepEqual(after.took, ['close 1.1', 'open 1.1', 'close 1.0', 'open 1.0'])
  for (const { context } of before.simulations) t.true(context.signal.aborted)
  for (const [i, { context }] of after.simulations.entries()) {
    t.false(context.signal.aborted)
    t.not(context, before.simulations[i]!.context)
  }
})

test('an SO is made anew with the one on which it stands, also where only that one has another state', (t) => {
  const { build, generation } = open(2)
  const before = build(planChain(2, 0, steps))
  const over = { ...generation, simulations: { ...generation.simulations, 1: '2.1' } } as Generation
  const after = build(planChain(2, 0, steps), before.simulations, { over })
  t.deepEqual(after.took, ['open 2.1', 'close 1.0', 'open 1.0', 'close 1.1'])
  t.deepEqual(versionsOf(after.simulations), [1, 0])
})

class PlainV1 extends NodeObject {
  static override readonly className: string = 'Plain.v1'
  @command add(_: string): void {}
}
class PlainV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
  @query all(): string[] {
    return []
  }
}
const behind = () => pastSO({ simulates: PlainV1, over: PlainV2, delegates: ['add'], methods: {} })

test('another SO over the same state, of another version or in another class’s words, is made anew', (t) => {
  const { build, object } = open(1, PlainV2)
  const [one, other] = [behind(), behind()]
  const at = () => PlainV1
  const below = () => new Fault('version.dead', 'dead')
  const planOf = (so: Simulation, version: number): ChainPlan => {
    const simulated = { version, role: version < 1 ? 'pastSO' : 'futureSO', so, over: 1, state: 0 } as const
    return { links: [{ version: 1, role: 'object' }, simulated], below, above: undefined }
  }
  const before = build(planOf(one, 0), [], { at })
  t.deepEqual(build(planOf(one, 0), before.simulations, { at }).took, [])
  const anew = ['close 1.0', 'open 1.0']
  t.deepEqual(build(planOf(other, 0), before.simulations, { at }).took, anew)
  t.deepEqual(build(planOf(one, 2), before.simulations, { at }).took, anew)
  const words = { of: { ...object, definition: PlainV1 as NodeClass }, at }
  t.deepEqual(build(planOf(one, 0), before.simulations, words).took, anew, 'the next has other methods')
})

test('a version that an upgrade leaves alone is answered by its neighbour, and counts as that one does', (t) => {
  const { build } = open(2, NotesV2)
  const plan = planChain(2, 0, [first!, alone(2), alone(3)])
  const { chain, tallies } = build(plan, [], { at: (v) => classes[Math.min(v, 1)]! })
  t.deepEqual(tallies, ['2 own', '1 own', '0 simulated', '3 own'])
  t.is(chain.links[1]!.receivers, chain.links[2]!.receivers)
  const ahead = open(0).build(planChain(0, 0, [first!, alone(2)]), [], { at: (v) => classes[Math.min(v, 1)]! })
  t.deepEqual(ahead.tallies, ['0 own', '1 simulated', '2 simulated'])
  t.is((ahead.chain.at(2) as { receivers: unknown }).receivers, (ahead.chain.at(1) as { receivers: unknown }).receivers)
})

test('a version that is not answered has its fault in its place, whatever its place', (t) => {
  const cut = (upgrade: ReturnType<typeof toV2>, version: number): Step => ({
    version,
    classUpgrade: upgrade.classUpgrades[0]!,
    undoes: null,
  })
  const { build } = open(1)
  const { chain, took, tallies } = build(planChain(1, 0, [cut(toV2({ cut: 'past' }), 1), cut(toV3({ cut: 'future' }), 2)]))
  t.deepEqual(took, [])
  t.deepEqual(tallies, ['1 own'])
  t.deepEqual([chain.oldest, chain.newest], [0, 2])
  for (const version of [0, 2]) t.true(isFault(chain.at(version)))
})

test('an SO that has no state in the generation is a broken invariant', (t) => {
  const { build, generation } = open(1)
  const over = { ...generation, simulations: {} }
  t.throws(() => build(planChain(1, 0, [first!]), [], { over }), {
    name: 'InvariantViolation',
    message: /SO of version 0 has no slot/,
  })
})

test('an SO that refuses a call says which class it stands for, and on which', (t) => {
  const so = pastSO({
    simulates: PlainV1,
    over: PlainV2,
    methods: {
      add() {
        return this.refuse('not today')
      },
    },
  })
  const { build } = open(1, PlainV2)
  const plan = planChain(1, 0, [
    { version: 1, classUpgrade: { ...(first!.classUpgrade as object), pastSO: so } as never, undoes: null },
  ])
  const { chain } = build(plan, [], { at: (v) => [PlainV1, PlainV2][v]! })
  const { methods, receivers } = chain.links[0]!
  const fault = t.throws(() => invoke(methods.entries.get('add')!, receivers, ['x'])) as Fault
  t.like(fault, { code: 'simulation.refused', message: 'not today', details: { simulates: 'Plain.v1', over: 'Plain.v2' } })
})
