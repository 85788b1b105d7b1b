import { command, futureSO, NodeObject, query } from 'theseus-actors'

export class TeamV1 extends NodeObject<{ people: string[] }> {
  static override readonly className = 'Team.v1'
  static override initial() {
    return { people: [] as string[] }
  }
  @command add(person: string): void {
    if (!this.state.people.includes(person)) this.state.people.push(person)
  }
  @query has(person: string): boolean {
    return this.state.people.includes(person)
  }
}

export class TeamV2 extends NodeObject<{ leads: string[]; others: string[] }> {
  static override readonly className = 'Team.v2'
  static override initial() {
    return { leads: [] as string[], others: [] as string[] }
  }
  @command add(person: string): void {
    if (!this.has(person)) this.state.others.push(person)
  }
  @command lead(person: string): void {
    this.state.others = this.state.others.filter((each) => each !== person)
    if (!this.state.leads.includes(person)) this.state.leads.push(person)
  }
  @query has(person: string): boolean {
    return this.state.leads.includes(person) || this.state.others.includes(person)
  }
  @query isLead(person: string): boolean {
    return this.state.leads.includes(person)
  }
}

export const ahead = futureSO({
  simulates: TeamV2,
  over: TeamV1,
  initial: () => ({ leads: [] as string[] }),
  delegates: ['add', 'has'],
  methods: {
    async lead(person) {
      await this.next.add(person)
      if (!this.state.leads.includes(person)) this.state.leads.push(person)
    },
    isLead(person) {
      return this.state.leads.includes(person)
    },
  },
})
