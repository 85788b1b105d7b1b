/** The text of an entry of the audit, as people read it. */
import type { AuditEntry, Uncovered } from 'theseus-actors/operator'

export function auditEntryText(entry: AuditEntry): string {
  const { what, times } = entry
  return times === 1 || what.act === 'denied' ? entryText(entry) : `${entryText(entry)} (${times} times)`
}

const deniedShown = 3

function deniedText({ calls, more }: Extract<AuditEntry['what'], { act: 'denied' }>): string {
  const shown = calls.slice(0, deniedShown).map(({ host, caller, method, code, times }) => {
    const who = caller === null ? 'several callers' : (caller.name ?? `${caller.id} (its own word)`)
    return `${times} calls of ${who}${method === null ? '' : ` to ${method}`} (${code}) by host ${host.name ?? host.id}`
  })
  const rest = calls.slice(deniedShown).reduce((sum, { times }) => sum + times, more)
  return `denied ${shown.join(', ')}${rest === 0 ? '' : `, and ${rest} more`}`
}

function entryText({ what, head, number }: AuditEntry): string {
  switch (what.act) {
    case 'install':
      return `install version ${what.version}`
    case 'undo':
      return `undo version ${what.undoes}, as version ${what.version}`
    case 'order':
      return `directive ${what.number}: ${what.words}`
    case 'teach':
      return `version ${what.version} given back`
    case 'death':
      return `versions below ${what.below} die`
    case 'gate':
      return `version ${what.version} paused: ${what.words}`
    case 'lost':
      return what.known === null
        ? `the database has lost something: it has version ${head.version} now`
        : `the database has lost something: it has version ${head.version} and entry ${number - 1} now, and had entry ${what.known.number}`
    case 'denied':
      return deniedText(what)
    case 'more':
      return 'requests of further kinds'
    case 'unreadable':
      return `${what.method} of what can't be read`
  }
}

export function uncoveredText({ kind, number, digest, why }: Uncovered): string {
  const what = `${number === null ? `a ${kind} that can't be read` : `${kind} ${number}`} (${digest.slice(0, 12)}) has no entry`
  switch (why) {
    case 'before':
      return `${what}: it may be from before the audit began`
    case 'lost':
      return `${what}: it may have been lost with the database`
    case 'known':
      return `${what}: it had none at the known entry`
    case 'none':
      return `${what}: somebody wrote it past the upgrade servers, or its entry was not written`
  }
}

/** Enough to tell keys apart. */
const shortLength = 12

/** The keys whose signatures counted, else the caller's name, or its own word. */
export function signersText({ by, from }: AuditEntry): string {
  if (by.length > 0) return by.map((key) => key.slice(0, shortLength)).join(' ')
  return from === null ? '-' : (from.name ?? `${from.id} (its own word)`)
}
