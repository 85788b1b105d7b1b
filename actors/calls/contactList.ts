/**
 * Nodes that were heard of lately, with the class and the version that each said last. Bounded: a new one
 * takes the place of one that has not been heard of again for the longest time, or nearly.
 */
import type { Version } from '../../core/base/ids.js'
import type { Contact } from '../../core/schedules/schedule.js'

/** Places that several lists share. */
export interface SharedRoom {
  readonly max: number
  taken: number
}

interface Heard {
  className: string
  version: Version
  /** By the clock that never goes back. */
  atMs: number
  /** Heard of since it was last considered for being forgotten. */
  again: boolean
}

export class ContactList {
  readonly #heard = new Map<string, Heard>()

  constructor(
    private readonly max: number,
    private readonly room?: SharedRoom,
  ) {}

  /** True if there is something new in it: the node, its class or its version. */
  hear(nodeId: string, className: string, version: Version, atMs: number): boolean {
    const known = this.#heard.get(nodeId)
    if (known === undefined) {
      if (!this.#makeRoom()) return false
      this.#heard.set(nodeId, { className, version, atMs, again: false })
      return true
    }
    known.atMs = atMs
    known.again = true
    if (known.version === version && known.className === className) return false
    known.className = className
    known.version = version
    return true
  }

  /** Newest first. */
  list(nowMs: number): readonly Contact[] {
    return [...this.#heard]
      .map(([nodeId, heard]) => ({ nodeId, className: heard.className, version: heard.version, ageMs: nowMs - heard.atMs }))
      .sort((a, b) => a.ageMs - b.ageMs)
  }

  /** Its places are free again. */
  clear(): void {
    if (this.room !== undefined) this.room.taken -= this.#heard.size
    this.#heard.clear()
  }

  /** False where the places are taken by other lists. */
  #makeRoom(): boolean {
    const { room } = this
    const isFull = this.#heard.size >= this.max || (room !== undefined && room.taken >= room.max)
    if (!isFull) {
      if (room !== undefined) room.taken++
      return true
    }
    for (const [nodeId, heard] of this.#heard) {
      this.#heard.delete(nodeId)
      if (!heard.again) return true
      // A second chance, behind all others. A map is gone through with what is added meanwhile.
      heard.again = false
      this.#heard.set(nodeId, heard)
    }
    return false
  }
}
