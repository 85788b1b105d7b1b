import { command, NodeObject, query } from 'theseus-actors'

export interface Comment {
  text: string
  likes: number
}

/** Comments can be liked: they are records now, so `comments` returns something else than in version 2. */
export class PagesV3 extends NodeObject<{ pages: Record<string, string>; comments: Record<string, Comment[]> }> {
  static override readonly className: string = 'Pages.v3'
  static override initial() {
    return { pages: {}, comments: {} }
  }

  @command put(url: string, html: string): void {
    this.state.pages[url] = html
  }

  @query get(url: string): string | null {
    return this.state.pages[url] ?? null
  }

  @command comment(url: string, text: string): number {
    const comments = (this.state.comments[url] ??= [])
    return comments.push({ text, likes: 0 })
  }

  @query comments(url: string): Comment[] {
    return this.state.comments[url] ?? []
  }

  @command like(url: string, index: number): number {
    const comment = this.state.comments[url]?.[index]
    return comment === undefined ? 0 : ++comment.likes
  }
}
