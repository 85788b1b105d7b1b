import { command, NodeObject, query } from 'theseus-actors'

/** Null: never asked. An empty text: does not want one. */
export class ProfileV1 extends NodeObject<{ nickname: string | null }> {
  static override readonly className = 'Profile.v1'
  static override initial() {
    return { nickname: null as string | null }
  }
  @command choose(nickname: string): void {
    this.state.nickname = nickname
  }
  @query nickname(): string | null {
    return this.state.nickname
  }
}
