/**
 * Tables of the upgrade database that the runtime keeps for itself, beside those of upgraders; operators see
 * them, and may clear them.
 */

/**
 * Two manifests for one version: version → what is known of it. While there is an entry,
 * nothing is installed.
 */
export const forksTable = 'theseus-forks'

/**
 * Bundles that were lost with the history: digest → their length in bytes. Hosts that have one bring it back.
 */
export const wantedTable = 'theseus-wanted'

/**
 * The entries of tables that upgrades have overwritten: `<version>/<table>/<key>` → what was there. An undo
 * gives them back.
 */
export const overwrittenTable = 'theseus-overwritten'
