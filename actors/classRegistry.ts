/** The classes this host can run: those its code brought, and those that came with upgrades. */
import { inject, injectable } from 'tsyringe'
import { classLine } from '../core/classLine.js'
import { Fault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { describeClass, type NodeClass } from '../core/nodeObject.js'
import { UpgradeHistory } from './upgradeHistory.js'

@injectable()
export class ClassRegistry {
  readonly #local = new Map<string, NodeClass>()

  constructor(@inject(UpgradeHistory) private readonly history: UpgradeHistory) {}

  /** Checks a class that the host's code brings. Throws `config.invalid`, saying what to change. */
  register(definition: NodeClass): void {
    this.#local.set(describeClass(definition).className, definition)
  }

  /** The class at each known version in the line that `className` belongs to. */
  line(className: string): readonly string[] {
    return classLine(this.history.manifests, className)
  }

  /** A bundle's copy goes before the code's own: every host then runs the same one. */
  definition(className: string): NodeClass {
    const found = this.history.definition(className) ?? this.#local.get(className)
    if (found === undefined) {
      throw new Fault(
        'config.invalid',
        `class ${className} is neither in this host's code nor in a loaded upgrade: pass it to host.node()`,
      )
    }
    return found
  }

  /** Loads the upgrades that concern the line between two versions, so that its classes are here. */
  async load(line: readonly string[], from: Version, to: Version): Promise<void> {
    for (let version = from + 1; version <= to; version++) {
      if (line[version] !== line[version - 1]) await this.history.load(version)
    }
  }
}
