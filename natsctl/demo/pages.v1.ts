import { command, NodeObject, query } from 'theseus-actors'

export class PagesV1 extends NodeObject<{ pages: Record<string, string> }> {
  static override readonly className = 'Pages.v1'
  static override initial() {
    return { pages: {} }
  }

  @command put(url: string, html: string): void {
    this.state.pages[url] = html
  }

  @query get(url: string): string | null {
    return this.state.pages[url] ?? null
  }
}
