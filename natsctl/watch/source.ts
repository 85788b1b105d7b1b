/** What a watch looks at, again and again: the rows and the controls of the upgrade database, and the history as far as it is not known yet. */
import { decodeManifest, type Manifest, type NodeRow, type Operator } from 'theseus'
import { asks } from '../rolloutPoll.js'
import type { Known } from '../waiting.js'

export interface Look {
  readonly rows: readonly NodeRow[]
  readonly known: Known
}

/** Asks the database alone: there is something to see also while no upgrade server runs. */
export function watching(
  { database }: Pick<Operator, 'database'>,
  signal: AbortSignal,
  tell: (line: string) => void,
): AsyncGenerator<Look> {
  let manifests: readonly Manifest[] = []
  const read = async (): Promise<Look> => {
    const [{ version: newest }, rows, controls] = await Promise.all([database.head(), database.nodes(), database.controls()])
    if (newest < manifests.length) manifests = []
    if (newest > manifests.length) {
      const missing = await database.manifests(manifests.length + 1, newest)
      manifests = [...manifests, ...missing.map(({ bytes }) => decodeManifest(bytes))]
    }
    return { rows, known: { newest, manifests, controls } }
  }
  return asks(read, signal, tell)
}
