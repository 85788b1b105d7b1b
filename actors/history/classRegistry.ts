/**
 * The classes this host can run: those its code brought, and those that came with upgrades.
 *
 * Inside a node a class is the class of a version, never a name alone: a corrected upgrade may bring another
 * class of the same name while a node is still at the version of the first (C7, C11). An undone version keeps
 * its class, and an undo means the class of the version before the one that it undoes.
 */
import { inject, injectable } from 'tsyringe'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { NodeIdentity } from '../../core/model/nodeFilter.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { LazySlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import type { Simulation } from '../../core/model/simulation.js'
import type { Step } from '../../core/upgrade/chainPlan.js'
import { classesAt, classLineage, isHeldBack, settledAt } from '../../core/upgrade/classLineage.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { type NeededNeighbours, noNeighbours } from '../base/neededNeighbours.js'
import { tokens } from '../base/tokens.js'
import { UpgradeHistory } from './upgradeHistory.js'

@injectable()
export class ClassRegistry {
  readonly #local = new Map<string, NodeClass>()
  /** Those of which a node has started. */
  readonly #started = new Set<NodeClass>()
  /**
   * The classes that lineages begin with, as they were first asked for: nodes of a host run the
   * same one until it ends.
   */
  readonly #firsts = new Map<string, NodeClass>()

  constructor(
    @inject(UpgradeHistory) private readonly history: UpgradeHistory,
    @inject(tokens.neighbours) private readonly neighbours: NeededNeighbours = noNeighbours,
  ) {}

  /** Checks a class that the host's code brings. Throws `config.invalid`, saying what to change. */
  register(definition: NodeClass): void {
    const description = describeClass(definition)
    const { className } = description
    this.neighbours.check(description)
    const known = this.#local.get(className)
    if (known === definition) return
    if (known !== undefined && this.#started.has(known))
      throw new Fault('config.invalid', `two classes of this host are named ${className}: give one of them another className`)
    this.#local.set(className, definition)
    this.#firsts.delete(className)
  }

  /**
   * Resolves when all is known that calls of this class to other systems need. Throws `upgrade.fetch` or
   * `upgrade.neighbour`.
   */
  know(definition: NodeClass): Promise<void> {
    return this.neighbours.know(describeClass(definition))
  }

  /** A node of this class has started: its name means no other class of the code from now on. */
  started(definition: NodeClass): void {
    this.#started.add(definition)
  }

  /** The class of a node at each known version, in the lineage that `className` belongs to. */
  lineage(className: string, node: NodeIdentity): readonly string[] {
    return classLineage(this.history.manifests, className, node)
  }

  /** How the upgrade to `version` concerns a node with this lineage; it must be loaded. */
  classUpgrade(lineage: readonly string[], version: Version): ClassUpgrade | undefined {
    return isConcerned(lineage, version) ? this.history.classUpgrade(version, lineage[version - 1]!) : undefined
  }

  /** Whether a node waits before this version, since the upgrade is for others. */
  isHeldBack(lineage: readonly string[], target: Version, node: NodeIdentity): boolean {
    return isHeldBack(this.history.manifests, lineage, target, node)
  }

  /** Up to which version it is settled then. */
  settledAt(lineage: readonly string[], target: Version, node: NodeIdentity): Version {
    return settledAt(this.history.manifests, lineage, target, node)
  }

  /** The same as a step of a chain. */
  step(lineage: readonly string[], version: Version): Step {
    const classUpgrade = isConcerned(lineage, version) ? (this.classUpgrade(lineage, version) ?? 'rejected') : 'leavesAlone'
    return { version, classUpgrade, undoes: this.undoes(lineage, version) }
  }

  /** The version that an upgrade undoes, where it is one for a node with this lineage. */
  undoes(lineage: readonly string[], version: Version): Version | null {
    return isConcerned(lineage, version) ? this.history.undoes(version) : null
  }

  /** How the records of a slot are made; the upgrade that says so must be loaded. */
  recordRules(lineage: readonly string[], { upgrade, role }: LazySlot): RecordRules {
    const classUpgrade = this.classUpgrade(lineage, upgrade)
    const rules = role === 'object' ? classUpgrade?.records : (classUpgrade?.pastSO as Simulation | undefined)?.records
    invariant(rules !== undefined && rules !== null, `the upgrade to version ${upgrade} does not say how records are made`)
    return rules
  }

  /**
   * Whether nodes of the lineage that has `className` at this version can have `expected` instead:
   * a class of the same type.
   */
  isAt(version: Version, className: string, expected: string): boolean {
    return classesAt(this.history.manifests, className)[version]?.has(expected) ?? false
  }

  /**
   * The class that a node with this lineage has at a version. The upgrade that brought
   * it must be loaded.
   */
  definitionAt(lineage: readonly string[], version: Version): NodeClass {
    const made = madeAt(lineage, version)
    if (made === 0) return this.#first(lineage[0]!)
    const undone = this.history.undoes(made)
    if (undone !== null) return this.definitionAt(lineage, undone - 1)
    const found = this.classUpgrade(lineage, made)?.newClass
    if (found !== undefined) return found
    throw new Fault(
      'upgrade.fetch',
      `class ${lineage[version]} came with the upgrade to version ${made}, which is not loaded here`,
    )
  }

  /** No upgrade made it: the host's own code brings it, or the upgrade that replaces it has a copy. */
  #first(className: string): NodeClass {
    const found = this.#firsts.get(className) ?? this.#local.get(className) ?? this.history.replaced(className)
    if (found === undefined)
      throw new Fault(
        'config.invalid',
        `class ${className} is neither in this host's code nor in a loaded upgrade: pass it to host.node()`,
      )
    this.#firsts.set(className, found)
    return found
  }

  /**
   * Loads one upgrade if it concerns the lineage, and the class that its version has. One that is rejected
   * and undone is not needed.
   */
  async loadStep(lineage: readonly string[], version: Version): Promise<void> {
    if (!isConcerned(lineage, version)) return
    try {
      await this.history.load(version)
      const brought = this.classUpgrade(lineage, version)?.newClass
      // Its future-SO makes the calls of the new class already.
      if (brought !== undefined) await this.know(brought)
    } catch (error) {
      const isOver = this.history.undoOf(version) !== null || this.history.takesBack(version)
      if (!isOver || !isRejection(error)) throw error
    }
    const undone = this.history.undoes(version)
    if (undone !== null) await this.#loadClassAt(lineage, undone - 1)
  }

  /**
   * Loads the upgrades that concern the lineage between two versions, so that its classes are here, with the
   * one that the first version has.
   */
  async load(lineage: readonly string[], from: Version, to: Version): Promise<void> {
    await this.#loadClassAt(lineage, from)
    for (let version = from + 1; version <= to; version++) await this.loadStep(lineage, version)
  }

  async #loadClassAt(lineage: readonly string[], version: Version): Promise<void> {
    const made = madeAt(lineage, version)
    if (made > 0) await this.loadStep(lineage, made)
  }
}

/** The upgrade that gave the lineage its class at `version`; 0 for the class that it began with. */
function madeAt(lineage: readonly string[], version: Version): Version {
  let made = version
  while (made > 0 && !isConcerned(lineage, made)) made--
  return made
}

/** Whether the upgrade to `version` concerns a node with this lineage. */
export function isConcerned(lineage: readonly string[], version: Version): boolean {
  return lineage[version] !== lineage[version - 1]
}

/** Whether an upgrade is not fit to be used, in contrast to one that could not be had. */
export function isRejection(error: unknown): error is Fault {
  return isFault(error) && error.kind === 'upgrade' && error.code !== 'upgrade.fetch'
}
