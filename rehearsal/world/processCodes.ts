/**
 * The code of each process: its classes, and the upgrades that it loads. A node of a sharded service is run
 * by one process after another, and perhaps by two at once. So where there are such, each process has classes
 * of its own, and they tell an oracle of their own.
 */
import type { BuiltUpgrade, Version } from 'theseus-actors'
import { ExecutionOracle, type ExecutionOracleContext } from './executionOracle.js'
import type { HostProcess } from './hostProcess.js'
import { badBundle } from './operators.js'
import type { Plan } from './plan.js'
import { type PlannedClasses, plannedClassesOf } from './plannedClasses.js'
import type { ProcessCode, Tamper } from './processEnvironment.js'
import type { ProcessFault } from './processFault.js'

export interface ProcessCodesContext extends ExecutionOracleContext {
  readonly plan: Plan
  readonly tamper: Tamper
  readonly isHealed: boolean
  hostOf(nodeId: string): HostProcess | undefined
  isSharded(nodeId: string): boolean
}

interface Code extends ProcessCode {
  readonly oracle: ExecutionOracle
}

export class ProcessCodes {
  readonly #common: Code
  readonly #byProcess = new Map<ProcessFault, Code>()

  constructor(
    private readonly world: ProcessCodesContext,
    { planned, oracle }: { readonly planned: PlannedClasses; readonly oracle: ExecutionOracle },
    private readonly built: readonly (BuiltUpgrade | undefined)[],
  ) {
    this.#common = this.#made(planned, oracle)
  }

  of(processFault: ProcessFault): ProcessCode {
    return this.#codeOf(processFault)
  }

  oracleOf(processFault: ProcessFault | undefined): ExecutionOracle {
    return processFault === undefined ? this.#common.oracle : this.#codeOf(processFault).oracle
  }

  heal(): void {
    for (const { oracle } of [this.#common, ...this.#byProcess.values()]) oracle.isHealed = true
  }

  #codeOf(processFault: ProcessFault): Code {
    const { plan } = this.world
    if (plan.shards === undefined) return this.#common
    const found = this.#byProcess.get(processFault)
    if (found !== undefined) return found
    const oracle = new ExecutionOracle(this.#within(processFault))
    oracle.isHealed = this.world.isHealed
    const made = this.#made(plannedClassesOf(plan, oracle), oracle)
    this.#byProcess.set(processFault, made)
    return made
  }

  /** The world, as the code in one process tells it. */
  #within(processFault: ProcessFault): ExecutionOracleContext {
    const { world } = this
    const has = (nodeId: string) => world.hostOf(nodeId)?.processFault === processFault
    return {
      isAlive: (nodeId) => !processFault.isDead && (world.isSharded(nodeId) || has(nodeId)),
      // Nobody hears of a thing that is done by one that has lost its shard.
      begins: (nodeId, op) => has(nodeId) && world.begins(nodeId, op),
      runs: (nodeId, count) => has(nodeId) && world.runs(nodeId, count),
      ticked: (nodeId) => has(nodeId) && world.ticked(nodeId),
      hangs: (nodeId) => has(nodeId) && world.hangs(nodeId),
      signalled: (nodeId, version) => world.signalled(nodeId, version),
      pause: (_, ms) => processFault.pause(ms),
      violated: (rule, what) => void (processFault.isDead || world.violated(rule, what)),
    }
  }

  #made({ lines, upgrades }: PlannedClasses, oracle: ExecutionOracle): Code {
    const { plan, tamper } = this.world
    const tampered = upgrades.map((upgrade) => upgrade && (tamper.upgrade?.(upgrade) ?? upgrade))
    const load = async (digest: string) => {
      const version: Version = this.built.findIndex((draft) => draft?.manifest.bundle.digest === digest) + 1
      const { bundle } = plan.upgrades[version - 1]!
      if (bundle === 'bad' || (bundle === 'badUntilHealed' && !this.world.isHealed)) throw badBundle()
      return tampered[version - 1]!
    }
    return { first: { ledger: lines.ledger[0]!, teller: lines.teller[0]! }, repository: { load }, oracle }
  }
}
