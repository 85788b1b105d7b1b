import { command, NodeObject, query } from 'theseus-actors'

export class PhotoV1 extends NodeObject<{ fans: string[] }> {
  static override readonly className = 'Photo.v1'
  static override initial() {
    return { fans: [] as string[] }
  }
  @command like(fan: string): void {
    if (!this.state.fans.includes(fan)) this.state.fans.push(fan)
  }
  @query fans(): string[] {
    return this.state.fans
  }
}

export class PhotoV2 extends NodeObject<{ fans: string[] }> {
  static override readonly className = 'Photo.v2'
  static override initial() {
    return { fans: [] as string[] }
  }
  @command like(fan: string): void {
    if (!this.state.fans.includes(fan)) this.state.fans.push(fan)
  }
  @query fans(): string[] {
    return this.state.fans
  }
  @query likes(): number {
    return this.state.fans.length
  }
}
