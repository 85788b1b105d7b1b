import { command, NodeObject, query } from 'theseus-actors'

export class TruckV1 extends NodeObject<{ load: number }> {
  static override readonly className = 'Truck.v1'
  static override initial() {
    return { load: 0 }
  }
  @command load(kilos: number): void {
    this.state.load = kilos
  }
  @query kilos(): number {
    return this.state.load
  }
}
