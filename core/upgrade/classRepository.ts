import type { Upgrade } from './upgrade.js'

/**
 * Where class definitions come from (§2: "class definitions are stored in well-known repositories and define
 * the full implementation of a node"). Turns the bytes of a verified bundle into classes; the same digest
 * gives the same classes.
 */
export interface ClassRepository {
  /** Throws `upgrade.invalid` when the bundle can't be loaded or its default export is no upgrade. */
  load(digest: string, bundle: Uint8Array): Promise<Upgrade>
}
