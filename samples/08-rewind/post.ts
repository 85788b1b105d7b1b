import { command, NodeObject, query } from 'theseus-actors'

/** Nothing that the post has delivered can be taken back. */
export class PostV1 extends NodeObject<{ letters: [account: string, cents: number][] }> {
  static override readonly className = 'Post.v1'
  static override initial() {
    return { letters: [] as [string, number][] }
  }

  @command deliver(account: string, cents: number): void {
    this.state.letters.push([account, cents])
  }

  @query letters(): [string, number][] {
    return this.state.letters
  }
}
