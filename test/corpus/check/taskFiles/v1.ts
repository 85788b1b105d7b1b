import { command, NodeObject, query } from 'theseus-actors'

export class TaskV1 extends NodeObject<{ title: string }, { files: string }> {
  static override readonly className = 'Task.v1'
  static override initial() {
    return { title: '' }
  }
  @command name(title: string): void {
    this.state.title = title
  }
  @command attach(file: string, text: string): void {
    this.collection('files').put(file, text)
  }
  @query file(file: string): string | null {
    return this.collection('files').get(file) ?? null
  }
  @query title(): string {
    return this.state.title
  }
}

export class TaskV2 extends NodeObject<{ title: string; isDone: boolean }, { files: string }> {
  static override readonly className = 'Task.v2'
  static override initial() {
    return { title: '', isDone: false }
  }
  @command name(title: string): void {
    this.state.title = title
  }
  @command attach(file: string, text: string): void {
    this.collection('files').put(file, text)
  }
  @query file(file: string): string | null {
    return this.collection('files').get(file) ?? null
  }
  @query title(): string {
    return this.state.title
  }
}
