import { command, futureSO, NodeObject, notNeeded, query } from 'theseus-actors'

export class ClubV1 extends NodeObject<{ members: string[] }> {
  static override readonly className = 'Club.v1'
  static override initial() {
    return { members: [] as string[] }
  }
  @command join(name: string): void {
    if (!this.state.members.includes(name)) this.state.members.push(name)
  }
  @query isMember(name: string): boolean {
    return this.state.members.includes(name)
  }
}

export class ClubV2 extends NodeObject<{ numbers: Record<string, number> }> {
  static override readonly className = 'Club.v2'
  static override initial() {
    return { numbers: {} as Record<string, number> }
  }
  @command join(name: string): void {
    this.state.numbers[name] ??= Object.keys(this.state.numbers).length + 1
  }
  @query isMember(name: string): boolean {
    return this.state.numbers[name] !== undefined
  }
  @query number(name: string): number | null {
    return this.state.numbers[name] ?? null
  }
}

export const parts = {
  oldClass: ClubV1,
  newClass: ClubV2,
  futureSO: futureSO({
    simulates: ClubV2,
    over: ClubV1,
    delegates: ['join', 'isMember'],
    refuses: ['number'],
    methods: {},
  }),
  pastSO: notNeeded,
} as const
