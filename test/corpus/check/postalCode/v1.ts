import { command, NodeObject, query } from 'theseus-actors'

export class AddressV1 extends NodeObject<{ code: string }> {
  static override readonly className = 'Address.v1'
  static override initial() {
    return { code: '' }
  }
  @command move(code: string): void {
    this.state.code = code
  }
  @query code(): string {
    return this.state.code
  }
}
