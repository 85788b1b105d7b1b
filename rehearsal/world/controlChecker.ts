/**
 * Knows which controls are in the upgrade database, as they are set there, and holds against them which nodes
 * leave for an upgrade.
 *
 * P1. No node drains for a version that is paused, unless it was told "now" or the version is an undo; and
 *     none while it is held.
 * P3. No node drains for a version before its SF has signalled, unless it was told "now", the version is an
 *     undo, or its own version is dead.
 * P2. The health gate notes that it has heeded a trouble only after it has paused the version.
 */
import type { Phase, Version } from 'theseus-actors'
import type { Control, ControlName } from '../../core/control/control.js'
import type { Concern } from './operations/groupChecker.js'

/** The answer to a node's claim may be so long under way. */
const graceMs = 10

export class ControlChecker {
  readonly #pausedSinceMs = new Map<Version, number>()
  readonly #heldSinceMs = new Map<string, number>()
  /** `<node> <version>` of all that were told so. */
  readonly #told = new Set<string>()
  readonly #phases = new Map<string, Phase>()
  readonly #everPaused = new Set<Version>()

  /** `<node> <version>` of all whose SF has signalled. */
  readonly #signalled = new Set<string>()

  constructor(
    private readonly isUndo: (version: Version) => boolean,
    /** Nodes at dead versions wait for no SF. */
    private readonly mayBeBehind: boolean,
    private readonly now: () => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  /** The database has lost some, or has some again that were removed. */
  are(controls: readonly Control[]): void {
    this.#pausedSinceMs.clear()
    this.#heldSinceMs.clear()
    for (const control of controls) this.set(control)
  }

  set(control: Control): void {
    switch (control.kind) {
      case 'pause':
        this.#everPaused.add(control.version)
        if (!this.#pausedSinceMs.has(control.version)) this.#pausedSinceMs.set(control.version, this.now())
        return
      case 'hold':
        if (!this.#heldSinceMs.has(control.nodeId)) this.#heldSinceMs.set(control.nodeId, this.now())
        return
      case 'now':
        this.#told.add(`${control.nodeId} ${control.version}`)
        return
      case 'gate':
        if (!this.#everPaused.has(control.version))
          this.violated('P2', `the gate of version ${control.version} is closed, and the version is not paused`)
        return
      case 'retry':
    }
  }

  removed(name: ControlName): void {
    if (name.kind === 'pause') this.#pausedSinceMs.delete(name.version)
    if (name.kind === 'hold') this.#heldSinceMs.delete(name.nodeId)
  }

  signalled(nodeId: string, version: Version): void {
    this.#signalled.add(`${nodeId} ${version}`)
  }

  phase(nodeId: string, phase: Phase, target: Version | null, concern: Concern = 'itself'): void {
    // A node that restarts from disk meanwhile says again what it does.
    const isNew = this.#phases.get(nodeId) !== phase
    this.#phases.set(nodeId, phase)
    if (isNew && phase === 'draining' && target !== null && concern !== 'neither') this.#drains(nodeId, target, concern)
  }

  /** Whether an operator has said "now", or the version is an undo. */
  isTold(nodeId: string, target: Version): boolean {
    return this.isUndo(target) || this.#told.has(`${nodeId} ${target}`)
  }

  #drains(nodeId: string, target: Version, concern: Concern): void {
    if (this.#isSince(this.#heldSinceMs.get(nodeId))) this.violated('P1', `${nodeId} drains for ${target} while it is held`)
    if (this.isTold(nodeId, target)) return
    // A member that the upgrade leaves alone has no SF.
    if (concern === 'itself' && !this.mayBeBehind && !this.#signalled.has(`${nodeId} ${target}`))
      this.violated('P3', `${nodeId} drains for ${target}, and its scheduling function has not signalled`)
    if (this.#isSince(this.#pausedSinceMs.get(target))) this.violated('P1', `${nodeId} drains for ${target}, which is paused`)
  }

  #isSince(sinceMs: number | undefined): boolean {
    return sinceMs !== undefined && this.now() - sinceMs > graceMs
  }
}
