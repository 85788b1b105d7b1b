/** A group as the code of its host sees it: its members, and their end. */
import type { Duration } from '../../core/base/duration.js'
import type { Version } from '../../core/base/ids.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Node } from './node.js'
import { type MemberHandle, RunningMember } from './nodeHandle.js'

/** A group of nodes that go through every version together. */
export interface GroupHandle<Name extends string = string> {
  readonly name: string
  /** The version of all members, as far as one commit can tell. */
  readonly version: Version
  readonly members: Readonly<Record<Name, MemberHandle>>
  /** As that of a node, for all members. */
  reached(version: Version, options?: { readonly timeout?: Duration }): Promise<void>
  /** Lets a stalled or rejected upgrade of the group try again. */
  retry(): void
  /** Ends all members on this host; their state and their registrations stay. */
  stop(): Promise<void>
}

export class RunningGroup<Name extends string> implements GroupHandle<Name> {
  readonly members: Readonly<Record<Name, MemberHandle>>
  readonly #nodes: readonly Node[]
  readonly #stopped: () => void

  /** @param nodes those of the members with these names, in their order */
  constructor(
    readonly name: string,
    names: readonly string[],
    nodes: readonly Node[],
    clock: Clock,
    stopped: () => void,
  ) {
    const handles = names.map((member, i) => [member, new RunningMember(nodes[i]!, clock)])
    this.members = Object.fromEntries(handles) as Readonly<Record<Name, MemberHandle>>
    this.#nodes = nodes
    this.#stopped = stopped
  }

  get #handles(): readonly MemberHandle[] {
    return Object.values(this.members)
  }

  get version(): Version {
    return Math.min(...this.#handles.map(({ version }) => version))
  }

  async reached(version: Version, options?: { readonly timeout?: Duration }): Promise<void> {
    await Promise.all(this.#handles.map((member) => member.reached(version, options)))
  }

  retry(): void {
    for (const member of this.#handles) member.retry()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()))
    this.#stopped()
  }
}
