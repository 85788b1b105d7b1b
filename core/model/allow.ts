/**
 * Rules of classes about who may call a method. A class says it, so that it belongs to the version: a call at
 * an older version is judged by that version's rule, whatever object carries it out.
 */

import { Fault } from '../base/fault.js'
import { isClassName, isName } from '../base/ids.js'
import { isPromiseIgnored } from '../base/maybePromise.js'
import type { CallerInfo } from '../wire/callerInfo.js'

/**
 * The names of callers (`'web'`), roles (`'role:editors'`), what callers say of themselves
 * (`'service:orders'`, `'class:Orders.v2'`), everybody (`'*'`); one of them is enough. Or a
 * function, which decides.
 */
export type Allow = string | readonly string[] | ((caller: CallerInfo) => boolean)

/** The names that have each role, as a host is told. */
export type Roles = Readonly<Record<string, readonly string[]>>

/** An `Allow` that was read. */
export interface Rule {
  /** Never throws: a rule that can't be asked allows nobody. */
  allows(caller: CallerInfo, roles: Roles): boolean
  /** For messages. */
  readonly text: string
}

type Test = (caller: CallerInfo, roles: Roles) => boolean

/** Throws `config.invalid`. `where` is what it belongs to: `Pages.v1.put`. */
export function ruleOf(allow: unknown, where: string): Rule {
  if (typeof allow === 'function')
    return { allows: (caller) => isTrue(allow as (caller: CallerInfo) => unknown, caller), text: 'what its function allows' }
  const terms: readonly unknown[] = typeof allow === 'string' ? [allow] : Array.isArray(allow) ? allow : []
  if (terms.length === 0)
    throw new Fault('config.invalid', `${where}: allow is the name of a caller, a list of names, or a function of the caller`)
  const tests = terms.map((term) => testOf(term, where))
  return { allows: (caller, roles) => tests.some((test) => test(caller, roles)), text: terms.join(', ') }
}

function isTrue(allow: (caller: CallerInfo) => unknown, caller: CallerInfo): boolean {
  try {
    const answer = allow(caller)
    return !isPromiseIgnored(answer) && answer === true
  } catch {
    return false
  }
}

function testOf(term: unknown, where: string): Test {
  if (term === '*') return () => true
  if (isName(term)) return ({ name }) => name === term
  const [kind, of] = typeof term === 'string' ? splitAt(term, ':') : []
  if (kind === 'role' && isName(of))
    return ({ name }, roles) => name !== null && Object.hasOwn(roles, of) && roles[of]!.includes(name)
  if (kind === 'service' && isName(of)) return ({ className }) => splitAt(className, '.')[0]!.toLowerCase() === of
  if (kind === 'class' && isClassName(of)) return ({ className }) => className === of
  const shown = typeof term === 'string' ? JSON.stringify(term.slice(0, 80)) : `a ${typeof term}`
  throw new Fault(
    'config.invalid',
    `${where}: allow ${shown}: use a caller's name, role:<name>, service:<name>, class:<Name.v1>, or * for everybody`,
  )
}

function splitAt(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** Throws `config.invalid`. */
export function checkRoles(roles: Roles): Roles {
  for (const [role, names] of Object.entries(roles)) {
    if (!isName(role) || !Array.isArray(names) || !names.every(isName))
      throw new Fault(
        'config.invalid',
        `roles: ${JSON.stringify(role)}: use { editors: ['alice', 'bob'] }, names of callers for each role`,
      )
  }
  return roles
}
