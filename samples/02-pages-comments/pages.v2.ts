import { command, NodeObject, query } from 'theseus-actors'

/** Readers can comment on a page. */
export class PagesV2 extends NodeObject<{ pages: Record<string, string>; comments: Record<string, string[]> }> {
  static override readonly className = 'Pages.v2'
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
    return comments.push(text)
  }

  @query comments(url: string): string[] {
    return this.state.comments[url] ?? []
  }
}
