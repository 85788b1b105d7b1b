import { command, NodeObject, query } from 'theseus-actors'

export class DeviceV1 extends NodeObject<{ seen: number }> {
  static override readonly className = 'Device.v1'
  static override readonly shards: number = 16
  static override initial() {
    return { seen: 0 }
  }
  @command ping(): void {
    this.state.seen++
  }
  @query seen(): number {
    return this.state.seen
  }
}
