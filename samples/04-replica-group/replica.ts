import { command, NodeObject, query } from 'theseus-actors'

/** The replicas of the group. */
export const replicas = ['r1', 'r2', 'r3', 'r4'] as const

/** Every replica holds everything; who is written to tells the others. */
export class ReplicaV1 extends NodeObject<{ entries: Record<string, string> }> {
  static override readonly className = 'Replica.v1'
  static override initial() {
    return { entries: {} }
  }

  @command put(key: string, value: string): void {
    this.state.entries[key] = value
    for (const other of replicas) if (other !== this.nodeId) this.sender(ReplicaV1, other).told(key, value)
  }

  @command told(key: string, value: string): void {
    this.state.entries[key] = value
  }

  @query get(key: string): string | null {
    return this.state.entries[key] ?? null
  }

  @query entries(): Record<string, string> {
    return this.state.entries
  }
}

export interface Entry {
  readonly value: string
  readonly bytes: number
}

/** Keeps the size of each value. A replica that has lost its state asks another for all of it. */
export class ReplicaV2 extends NodeObject<{ entries: Record<string, Entry> | null }> {
  static override readonly className = 'Replica.v2'
  static override initial() {
    return { entries: {} }
  }

  protected override async start(): Promise<void> {
    for (const other of replicas) {
      if (this.state.entries !== null) return
      if (other !== this.nodeId)
        this.state.entries = await this.ref(ReplicaV2, other)
          .entries()
          .catch(() => null)
    }
    if (this.state.entries === null) throw new Error('no other replica answers')
  }

  @command put(key: string, value: string): void {
    this.told(key, value)
    for (const other of replicas) if (other !== this.nodeId) this.sender(ReplicaV2, other).told(key, value)
  }

  @command told(key: string, value: string): void {
    this.state.entries![key] = { value, bytes: Buffer.byteLength(value) }
  }

  @query get(key: string): string | null {
    return this.state.entries![key]?.value ?? null
  }

  @query entries(): Record<string, Entry> {
    return this.state.entries!
  }
}
