import { command, NodeObject, query } from 'theseus-actors'

/** Tags are one text, with commas between them. */
export class RecipeV1 extends NodeObject<{ tags: string }> {
  static override readonly className = 'Recipe.v1'
  static override initial() {
    return { tags: '' }
  }
  @command tag(tag: string): void {
    this.state.tags += this.state.tags === '' ? tag : `,${tag}`
  }
  @query tags(): string[] {
    return this.state.tags === '' ? [] : this.state.tags.split(',')
  }
}

export class RecipeV2 extends NodeObject<{ tags: string[] }> {
  static override readonly className = 'Recipe.v2'
  static override initial() {
    return { tags: [] as string[] }
  }
  @command tag(tag: string): void {
    this.state.tags.push(...tag.split(','))
  }
  @query tags(): string[] {
    return this.state.tags
  }
}
