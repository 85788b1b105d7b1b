/**
 * The decisions that must be atomic, as Lua. Each script gets the keys that it writes in KEYS
 * (Redis Cluster asks for it).
 *
 * R1. A node id is registered with at most one directory.
 * R2. Never more slots of a service are given out than its limit allows, and only a release, `forget`, or the
 *     node's registration for another service frees one.
 * R3. Leases are counted by the Redis server's clock alone, so that the hosts' clocks don't matter. So is the
 *     moment of a death.
 * R4. Death moves forward only, and past no version that a registered node may still run; of a row that can't
 *     be read, nobody knows (C8).
 * R5. The name of a table is listed exactly as long as the table has entries.
 *
 * A key that a login may only read is an argument, and not in KEYS: for each of those Redis asks for the
 * right to write. The hash tag keeps it in the same slot of a cluster all the same.
 */
import { appendAuditScript } from './auditScripts.js'
import { deathScripts } from './deathScripts.js'
import { directBody, directiveLogBody } from './directiveScripts.js'
import { historyScripts } from './historyScripts.js'
import { permitScripts } from './permitScripts.js'
import { nodeScript } from './redisPreamble.js'
import { registrationScripts } from './registrationScripts.js'
import { tableScripts } from './tableScripts.js'

/** Their order is part of the library's digest: hosts of one release find the same library. */
export const scripts = {
  ...historyScripts,
  ...registrationScripts,
  ...permitScripts,
  theseusDirectiveLog: nodeScript(directiveLogBody),
  theseusDirect: nodeScript(directBody),
  theseusAppendAudit: appendAuditScript,
  ...tableScripts,
  ...deathScripts,
} as const

export type ScriptName = keyof typeof scripts
