import { command, NodeObject, query } from 'theseus-actors'

export class TicketsV1 extends NodeObject<{ next: number; open: Record<string, string> }> {
  static override readonly className = 'Tickets.v1'
  static override initial() {
    return { next: 1, open: {} as Record<string, string> }
  }
  @command file(text: string): number {
    this.state.open[this.state.next] = text
    return this.state.next++
  }
  @command close(number: number): void {
    delete this.state.open[number]
  }
  @query text(number: number): string | null {
    return this.state.open[number] ?? null
  }
}
