import { command, NodeObject, query } from 'theseus-actors'

export class ThermostatV1 extends NodeObject<{ degrees: number }> {
  static override readonly className = 'Thermostat.v1'
  static override initial() {
    return { degrees: 20 }
  }
  @command warmer(by: number): void {
    this.state.degrees += by / 2
  }
  @query degrees(): number {
    return this.state.degrees
  }
}

/** Counts in the half degrees that its wheel has. */
export class ThermostatV2 extends NodeObject<{ halves: number }> {
  static override readonly className = 'Thermostat.v2'
  static override initial() {
    return { halves: 40 }
  }
  @command warmer(by: number): void {
    this.state.halves += by
  }
  @query degrees(): number {
    return this.state.halves / 2
  }
}
