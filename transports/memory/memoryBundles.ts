/** The bundles of upgrades in memory, in chunks. One that no manifest names is gone after some time. */
import { stagedBundlesMax, stagedBytesMax, stagedMs, tooMuchStaged } from '../udbFactory.js'
import type { MemorySystem, SystemData } from './memorySystem.js'

export class MemoryBundles {
  constructor(private readonly system: MemorySystem) {}

  put(digest: string, index: number, bytes: Uint8Array, as: 'staged' | 'kept' = 'staged', writes: number | null = null): boolean {
    const { bundleWrites, chunks, stagedUntilMs } = this.#present()
    const written = bundleWrites.get(digest) ?? 0
    if (writes !== null && written !== writes) return false
    const known = chunks.get(digest)
    if (as === 'kept') stagedUntilMs.delete(digest)
    else if (known === undefined || stagedUntilMs.has(digest)) {
      const staged = [...stagedUntilMs.keys()].flatMap((each) => [...chunks.get(each)!.values()])
      const total = staged.reduce((sum, { length }) => sum + length, 0)
      const more = bytes.length - (known?.get(index)?.length ?? 0)
      const { size } = stagedUntilMs
      if ((known === undefined && size >= stagedBundlesMax) || total + more > stagedBytesMax) throw tooMuchStaged(size, total)
      stagedUntilMs.set(digest, this.system.clock.monotonicMs() + stagedMs)
    }
    chunks.set(digest, (known ?? new Map<number, Uint8Array>()).set(index, new Uint8Array(bytes)))
    bundleWrites.set(digest, written + 1)
    return true
  }

  /** How many times it has been written. */
  writes(digest: string): number {
    return this.#present().bundleWrites.get(digest) ?? 0
  }

  keep(digest: string): void {
    this.#present().stagedUntilMs.delete(digest)
  }

  /** An installed manifest names it. */
  installed(digest: string): void {
    const { bundleWrites, stagedUntilMs } = this.#present()
    const written = bundleWrites.get(digest) ?? 0
    stagedUntilMs.delete(digest)
    if (written > 0) bundleWrites.set(digest, written + 1)
  }

  chunk(digest: string, index: number): Uint8Array | undefined {
    const found = this.#present().chunks.get(digest)?.get(index)
    return found && new Uint8Array(found)
  }

  /** Without those whose time is over. */
  #present(): Pick<SystemData, 'bundleWrites' | 'chunks' | 'stagedUntilMs'> {
    const system = this.system.data()
    for (const [digest, untilMs] of system.stagedUntilMs) {
      if (this.system.clock.monotonicMs() < untilMs) continue
      system.stagedUntilMs.delete(digest)
      system.chunks.delete(digest)
      system.bundleWrites.delete(digest)
    }
    return system
  }
}
