import { command, NodeObject, query } from 'theseus-actors'

/** The newest entry comes first. */
export class DoorLogV1 extends NodeObject<{ entries: string[] }> {
  static override readonly className = 'DoorLog.v1'
  static override initial() {
    return { entries: [] as string[] }
  }
  @command passed(badge: string): void {
    this.state.entries.unshift(badge)
  }
  @query last(): string | null {
    return this.state.entries[0] ?? null
  }
}

/** The newest entry comes last: it is cheaper. */
export class DoorLogV2 extends NodeObject<{ entries: string[] }> {
  static override readonly className = 'DoorLog.v2'
  static override initial() {
    return { entries: [] as string[] }
  }
  @command passed(badge: string): void {
    this.state.entries.push(badge)
  }
  @query last(): string | null {
    return this.state.entries.at(-1) ?? null
  }
}
