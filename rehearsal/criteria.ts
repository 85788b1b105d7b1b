/**
 * The paper's correctness criteria (§7) for an upgrade, tried: a script of calls of all versions is played against one node of a real
 * embedded system, with the flips wherever the script has them, and what every version observes is compared.
 *
 * K1 (C11). What a version observes just before a flip, it observes just after, or is refused.
 * K2 (§7.1, condition 1). What version i+1 observes of the dependent state is what the mapping function makes of version i's state.
 * K3 (§7.2). What a call does through one version is seen through every other, where the mapping says so: K1 and K2 together, since a
 *     change kept only in an SO shows as a difference on one side or the other.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  createHost,
  draftManifest,
  isFault,
  type MethodKind,
  type NodeClass,
  type NodeHandle,
  type RunningHost,
  type Upgrade,
  type Version,
} from 'theseus'
import { memoryRepository, memoryStore } from 'theseus/memory'
import { Gate } from './gate.js'

/** One call at one version. */
export interface ScriptedCall {
  readonly version: Version
  readonly method: string
  readonly args: readonly unknown[]
}

export type Step = ScriptedCall | 'flip'

/** A mapping function MF (§7): the abstract state of version `from + 1`, made of that of `from`. */
export interface Mapping {
  readonly from: Version
  /** Makes the new state of the old; the independent part is trivially initialised. */
  readonly map: (old: any) => object
  /** Queries of the new version that observe nothing but the dependent part. */
  readonly dependent: readonly string[]
}

export interface Rehearsal {
  /** The class at version 0. */
  readonly first: NodeClass
  /** Upgrades 1, 2, …; their schedules are not asked: the script flips. */
  readonly upgrades: readonly Upgrade[]
  readonly script: readonly Step[]
  /** What is looked at around each flip: queries only. */
  readonly observations: readonly ScriptedCall[]
  readonly mappings?: readonly Mapping[]
}

export interface Violation {
  readonly criterion: 'K1' | 'K2'
  readonly at: string
  readonly call: ScriptedCall
  readonly expected: unknown
  readonly found: unknown
}

/** Plays the script and returns what contradicts the criteria: nothing, for a correct upgrade. */
export async function rehearse(rehearsal: Rehearsal): Promise<readonly Violation[]> {
  const stage = await Stage.set(rehearsal)
  try {
    return await stage.play()
  } finally {
    await stage.clear()
  }
}

type Outcome = { readonly value: unknown } | { readonly refused: string }

let stages = 0

class Stage {
  readonly #violations: Violation[] = []
  #flips = 0

  private constructor(
    private readonly rehearsal: Rehearsal,
    private readonly host: RunningHost,
    private readonly node: NodeHandle,
    private readonly gate: Gate,
  ) {}

  static async set(rehearsal: Rehearsal): Promise<Stage> {
    const gate = new Gate()
    const repository = memoryRepository()
    const system = `rehearsal-${++stages}`
    const host = await createHost({ system, state: memoryStore(), bundles: repository })
    const node = await host.node(rehearsal.first, 'n1')
    for (const upgrade of rehearsal.upgrades) {
      const gated = gate.gated(upgrade)
      const bundle = new TextEncoder().encode(`${system} ${upgrade.title}`)
      const manifest = draftManifest(gated, bundle)
      repository.add(manifest.bundle.digest, gated)
      await host.publish({ manifest, bundle })
    }
    return new Stage(rehearsal, host, node, gate)
  }

  async play(): Promise<readonly Violation[]> {
    for (const [i, step] of this.rehearsal.script.entries()) {
      if (step === 'flip') await this.#flip()
      else {
        await this.#call(step)
        await this.#checkMappings(`after step ${i + 1}, ${words(step)}`)
      }
    }
    while (this.#flips < this.rehearsal.upgrades.length) await this.#flip()
    return this.#violations
  }

  clear(): Promise<void> {
    return this.host.stop()
  }

  async #flip(): Promise<void> {
    if (this.#flips === this.rehearsal.upgrades.length) return
    const before = await this.#observe()
    const version = ++this.#flips
    this.gate.open(version)
    await this.node.reached(version)
    const after = await this.#observe()
    this.rehearsal.observations.forEach((call, i) => {
      const [was, is] = [before[i]!, after[i]!]
      if ('refused' in was || 'refused' in is || isDeepStrictEqual(was, is)) return
      this.#violations.push({ criterion: 'K1', at: `the flip to version ${version}`, call, expected: was.value, found: is.value })
    })
    await this.#checkMappings(`after the flip to version ${version}`)
  }

  async #observe(): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const call of this.rehearsal.observations) outcomes.push(await this.#call(call, 'query'))
    return outcomes
  }

  /** K2: a model object of the new version over the mapped old state answers as the new version does. */
  async #checkMappings(at: string): Promise<void> {
    for (const { from, map, dependent } of this.rehearsal.mappings ?? []) {
      // Only while the node runs version `from` is that version's abstract state at hand.
      if (this.node.version !== from) continue
      const state = await this.gate.stateOf(from + 1)
      const target = this.rehearsal.upgrades[from]!.classUpgrades[0]!.newClass
      for (const call of this.rehearsal.observations) {
        if (call.version !== from + 1 || !dependent.includes(call.method)) continue
        const found = await this.#call(call, 'query')
        if ('refused' in found) continue
        const expected = answerOf(target, map(state), call)
        if (!isDeepStrictEqual(plain(expected), plain(found.value))) {
          this.#violations.push({ criterion: 'K2', at, call, expected, found: found.value })
        }
      }
    }
  }

  async #call({ version, method, args }: ScriptedCall, kind: MethodKind = 'command'): Promise<Outcome> {
    try {
      return { value: await this.host.operator.call({ node: 'n1' }, method, args, { version, kind }) }
    } catch (error) {
      if (isFault(error) && (error.kind === 'simulation' || error.kind === 'application')) return { refused: error.code }
      throw error
    }
  }
}

/** What an object of this class with this state answers: its method runs on a bare instance. */
function answerOf(target: NodeClass, state: object, { method, args }: ScriptedCall): unknown {
  const instance = Object.assign(Object.create(target.prototype), { state })
  return instance[method](...args)
}

/** As it would arrive: without what an envelope does not carry. */
function plain(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value))
}

function words(call: ScriptedCall): string {
  return `${call.method}(${call.args.map((arg) => JSON.stringify(arg)).join(', ')}) at version ${call.version}`
}
