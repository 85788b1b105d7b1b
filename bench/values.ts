/** What is called: a few short values by key. The bare subscriber and Theseus's node answer from the same ones. */
import { command, NodeObject, query } from 'theseus'

const keysMax = 16

export const keys: readonly string[] = Array.from({ length: keysMax }, (_, i) => `key-${i}`)
export const initialValues: Readonly<Record<string, string>> = Object.fromEntries(keys.map((key) => [key, `the value of ${key}`]))

interface State {
  values: Record<string, string>
}

export class Values extends NodeObject<State, { records: string }> {
  static override readonly className = 'Values.v1'
  static override initial(): State {
    return { values: { ...initialValues } }
  }

  @query get(key: string): string | null {
    return this.state.values[key] ?? null
  }

  /** Writes the root: all of it is compared, and packed once for all commands of a commit. */
  @command put(key: string, value: string): void {
    this.state.values[key] = value
  }

  /** Writes one record of a collection. */
  @command putRecord(key: string, value: string): void {
    this.collection('records').put(key, value)
  }
}

/** Asked only: no command runs here, so that `get` answers the initial values for ever. */
export const askedNode = 'asked'
/** Told only: commands change it. */
export const toldNode = 'told'
/** The same for commands that go to one after the other. */
export const toldNodes: readonly string[] = Array.from({ length: 16 }, (_, i) => `told-${i}`)
/** Asked one after the other, so that few calls of one turn go to the same node. */
export const spreadNodes: readonly string[] = Array.from({ length: 64 }, (_, i) => `spread-${i}`)
