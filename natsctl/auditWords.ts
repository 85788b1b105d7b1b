/** What an entry of the audit says, as people read it. */
import type { AuditEntry } from 'theseus'

export function auditWords({ what, times }: AuditEntry): string {
  return times === 1 ? wordsOf(what) : `${wordsOf(what)} (${times} times)`
}

function wordsOf(what: AuditEntry['what']): string {
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
        ? 'the database has lost something'
        : `the database has lost something: entry ${what.known.number} was known`
    case 'more':
      return 'requests of further kinds'
    case 'unreadable':
      return `${what.method} of what can't be read`
  }
}
