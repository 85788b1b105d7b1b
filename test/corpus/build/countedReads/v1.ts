import { command, NodeObject, query } from 'theseus-actors'

export class ArticleV1 extends NodeObject<{ text: string }> {
  static override readonly className = 'Article.v1'
  static override initial() {
    return { text: '' }
  }
  @command write(text: string): void {
    this.state.text = text
  }
  @query read(): string {
    return this.state.text
  }
}
