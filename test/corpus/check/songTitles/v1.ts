import { command, NodeObject, query } from 'theseus-actors'

export class SongV1 extends NodeObject<{ title: string }> {
  static override readonly className = 'Song.v1'
  static override initial() {
    return { title: '' }
  }
  @command rename(title: string): void {
    this.state.title = title
  }
  @query title(): string {
    return this.state.title
  }
}
