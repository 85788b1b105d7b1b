import { command, NodeObject, query } from 'theseus-actors'

/** The node of the state bench: a command writes one record of a collection. */
export class Entries extends NodeObject<{ puts: number }, { values: string }> {
  static override readonly className = 'Entries.v1'
  static override initial() {
    return { puts: 0 }
  }

  @command put(key: string, value: string): void {
    this.collection('values').put(key, value)
  }

  @query get(key: string): string | null {
    return this.collection('values').get(key) ?? null
  }
}
