/**
 * A class that is called by some of its methods only: `uses(OrdersV1, ['paidAfter'])` in `calls`. An upgrade
 * that changes others of its methods does not touch the caller. Where a class does not say so, its text may:
 * each mention of `ref` and `sender` in it has to be `this.ref(Name…).method(…)`, with a class that it
 * declares to call. Anything else may call any method: a reference that is kept in a variable, a method by a
 * computed name, a class that a minifier has renamed.
 */
import { Fault } from '../base/fault.js'
import { methodsOf, prototypesOf } from './methods.js'
import type { ClassDescription, MethodsOf, NamedClass, NodeClass } from './nodeObject.js'
import { nameLengthMin, plainName } from './undeclaredCalls.js'

const brand: unique symbol = Symbol.for('theseus.uses') as never

/** A class and those of its methods that are called. */
export interface Uses<C extends NodeClass = NodeClass> {
  readonly [brand]: true
  readonly target: C
  readonly methods: readonly string[]
}

/**
 * For `calls` of a class: the methods of `target` that it calls, each a remote method. A call of any other is
 * refused with `config.invalid`. Throws `config.invalid` for no method, or more than 64.
 */
export function uses<C extends NodeClass>(target: C, methods: readonly MethodsOf<C>[]): Uses<C> {
  const isList = Array.isArray(methods) && methods.every((method) => typeof method === 'string')
  if (!isList || methods.length === 0 || methods.length > methodsUsedMax)
    throw new Fault('config.invalid', `uses(…, methods): name 1 to ${methodsUsedMax} methods that are called`)
  return Object.freeze({ [brand]: true as const, target, methods: [...new Set<string>(methods)].sort() })
}

/** The classes that a class lists in `calls`, but for those of other systems. */
export function classesCalled({ calls = [] }: Pick<NodeClass, 'calls'>): readonly NodeClass[] {
  const listed: readonly unknown[] = Object.values(typeof calls === 'function' ? calls() : calls)
  return listed
    .map((called) => (isUses(called) ? called.target : called))
    .filter((called): called is NodeClass => typeof called === 'function')
}

/** A manifest says each of them. */
export const methodsUsedMax = 64

/** By brand: another copy of this module is as good. */
export function isUses(value: unknown): value is Uses {
  return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true
}

/** A method of another class, as manifests and rows tell that it is called. */
export interface MethodUse {
  readonly className: string
  readonly method: string
}

/**
 * As it stands in manifests and rows, beside the class itself: a release that does not know it takes it for
 * an event which nobody can publish, and goes by the class.
 */
export function textOfMethodUse({ className, method }: MethodUse): string {
  return `${className}:${method}/1`
}

const useText = /^([^/:@]+):(.+)\/1$/

/** Undefined for anything else that a class uses. */
export function methodUseIn(used: string): MethodUse | undefined {
  const [, className, method] = useText.exec(used) ?? []
  return className === undefined ? undefined : { className, method: method! }
}

/** The methods of the class that are called; undefined where it may be any. */
export function methodsUsed(uses: readonly string[], className: string): readonly string[] | undefined {
  const methods = uses.flatMap((used) => {
    const use = methodUseIn(used)
    return use?.className === className ? [use.method] : []
  })
  return methods.length === 0 ? undefined : methods
}

/**
 * The methods that a class may call of others. Throws `config.invalid` for one that there is not.
 *
 * @param whole services of which it may call any method
 */
export function declaredUses(
  className: string,
  limited: readonly Uses[],
  whole: ReadonlySet<string>,
  serviceOf: (target: NodeClass) => string,
): Pick<ClassDescription, 'uses' | 'callsOnly'> {
  const uses = new Map<string, readonly string[]>()
  const callsOnly = new Map<string, Set<string>>()
  for (const { target, methods } of limited) {
    const service = serviceOf(target)
    if (whole.has(service)) continue
    const known = methodsOf(target.prototype, target.className)
    const unknown = methods.find((method) => !known.has(method))
    if (unknown !== undefined)
      throw new Fault('config.invalid', `${className}: uses(${target.className}, …): it has no remote method ${unknown}`)
    uses.set(target.className, [...new Set([...(uses.get(target.className) ?? []), ...methods])].sort())
    callsOnly.set(service, new Set([...(callsOnly.get(service) ?? []), ...methods]))
  }
  return { uses, callsOnly }
}

type Caller = Pick<ClassDescription, 'definition' | 'uses' | 'whole'>

/** By class: its text does not change. */
const inferred = new WeakMap<NodeClass, readonly MethodUse[]>()

/**
 * Of each class that it calls and of which it calls no other methods. A class that is not among these may be
 * called by any.
 *
 * @param more functions that run as objects of the class
 */
export function methodsCalled(caller: Caller, more: readonly object[] = []): readonly MethodUse[] {
  const declared = [...caller.uses].flatMap(([className, methods]) => methods.map((method) => ({ className, method })))
  if (caller.whole.length === 0) return declared
  if (more.length > 0) return [...declared, ...inferredOf(caller, more)]
  const known = inferred.get(caller.definition) ?? inferredOf(caller, [])
  inferred.set(caller.definition, known)
  return [...declared, ...known]
}

function inferredOf({ definition, whole }: Caller, more: readonly object[]): readonly MethodUse[] {
  const classes = [...prototypesOf(definition.prototype)].map((prototype) => prototype.constructor)
  const found = inferredUses([...classes, ...more])
  if (found === undefined) return []
  const names = whole.map(nameOf)
  // A class that is called and is none of these: by another name, perhaps.
  const own = plainName(definition.name)
  if ([...found.keys()].some((name) => name !== own && !names.includes(name))) return []
  return whole.flatMap(({ className }, i) => {
    const methods = names.indexOf(names[i]!) === names.lastIndexOf(names[i]!) ? found.get(names[i]!) : undefined
    return methods === undefined || methods === 'any' ? [] : [...methods].map((method) => ({ className, method }))
  })
}

/** Of a class as its source names it. */
function nameOf(target: NamedClass): string {
  return typeof target === 'function' ? plainName((target as { readonly name: string }).name) : ''
}

// --- Read from the text

const mentions = /\b(?:ref|sender)\b/g
const reference = /\bthis\s*\.\s*(?:ref|sender)\s*\(\s*(?:[A-Za-z_$][\w$]*\s*\.\s*)*?([A-Za-z_$][\w$]*)\s*(?=[,)])/y
/** Of another system: its class is called at a version of its own. */
const neighbour = /\bthis\s*\.\s*(?:ref|sender)\s*\(\s*(?:[A-Za-z_$][\w$]*\s*\.\s*)*?[A-Za-z_$][\w$]*\s*\.\s*of\s*\(/y
const method = /\s*\.\s*([A-Za-z_$][\w$]*)\s*\(/y

/**
 * By the plain names of the classes, their methods that are called; undefined where the text leaves a doubt.
 * @param sources the class and those that it extends
 */
function inferredUses(sources: readonly object[]): ReadonlyMap<string, ReadonlySet<string> | 'any'> | undefined {
  const found = new Map<string, Set<string> | 'any'>()
  for (const source of sources) {
    // With its comments: a line that seems to be one may be part of a text.
    const text = Function.prototype.toString.call(source)
    for (const { index } of text.matchAll(mentions)) {
      const at = text.lastIndexOf('this', index)
      if (at < 0 || !/^this\s*\.\s*$/.test(text.slice(at, index))) return undefined
      if (matchAt(neighbour, text, at) !== undefined) continue
      const named = matchAt(reference, text, at)
      if (named === undefined || named[1]!.length < nameLengthMin) return undefined
      const name = plainName(named[1]!)
      const end = endOfArguments(text, at + named[0].length)
      const called = end === undefined ? undefined : matchAt(method, text, end)?.[1]
      const known = found.get(name)
      if (called === undefined || known === 'any' || (known !== undefined && known.size >= methodsUsedMax)) found.set(name, 'any')
      else found.set(name, (known ?? new Set()).add(called))
    }
  }
  return found
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

/** Behind the bracket that closes them; undefined where text or a template among them may hold brackets. */
function endOfArguments(text: string, from: number): number | undefined {
  let depth = 1
  for (let at = from; at < text.length; at++) {
    const letter = text[at]!
    if (letter === '`' || letter === '/') return undefined
    if (letter === "'" || letter === '"') {
      const end = text.indexOf(letter, at + 1)
      if (end < 0 || text.slice(at, end).includes('\\')) return undefined
      at = end
    } else if (letter === '(') depth++
    else if (letter === ')' && --depth === 0) return at + 1
  }
  return undefined
}
