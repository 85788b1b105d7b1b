import { command, NodeObject, query } from 'theseus-actors'

export class TheatreV1 extends NodeObject<{ sold: Record<string, true> }> {
  static override readonly className = 'Theatre.v1'
  static override initial() {
    return { sold: {} as Record<string, true> }
  }
  @command sell(seat: string): boolean {
    if (this.state.sold[seat]) return false
    this.state.sold[seat] = true
    return true
  }
  @query isFree(seat: string): boolean {
    return !this.state.sold[seat]
  }
}

/** A seat is sold to somebody. */
export class TheatreV2 extends NodeObject<{ guests: Record<string, string> }> {
  static override readonly className = 'Theatre.v2'
  static override initial() {
    return { guests: {} as Record<string, string> }
  }
  @command sell(seat: string): boolean {
    return this.sellTo(seat, 'nobody')
  }
  @command sellTo(seat: string, guest: string): boolean {
    if (this.state.guests[seat] !== undefined) return false
    this.state.guests[seat] = guest
    return true
  }
  @query isFree(seat: string): boolean {
    return this.state.guests[seat] === undefined
  }
  @query guest(seat: string): string | null {
    return this.state.guests[seat] ?? null
  }
}
