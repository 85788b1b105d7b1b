/**
 * Calls that a class does not declare, found before they are made: a reference is refused when it is taken
 * (DESIGN §3), but that may be in a method that is rarely called. So the class's own text is looked through
 * for `this.ref(Name…)` and `this.sender(module.Name…)`. `Name` is known if a class of that name has marked
 * methods. So is `this.ref(Name.of('system')…)`. Any other expression is not, and is found when it is
 * reached.
 */
import { Fault } from '../base/fault.js'
import type { ClassDescription, NodeClass } from './nodeObject.js'

/** Shorter names may be a minifier's, which gives one name to many things. */
export const nameLengthMin = 4

/** A bundler puts an underscore before the name of a class that refers to itself. */
export function plainName(name: string): string {
  return name.replace(/^_+/, '')
}

/** Classes whose methods were marked, by the names that they have in their source. */
const marked = new Map<string, WeakRef<NodeClass>[]>()

/** Called for each mark. */
export function noteClass(definition: unknown): void {
  if (typeof definition !== 'function') return
  const name = plainName(definition.name)
  if (name.length < nameLengthMin) return
  const others = (marked.get(name) ?? []).filter((ref) => {
    const other = ref.deref()
    return other !== undefined && other !== definition
  })
  marked.set(name, [...others, new WeakRef(definition as unknown as NodeClass)])
}

const comments = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
/** The name alone, or one in a module or record: `shop.Cart`. */
const references = /\bthis\s*\.\s*(?:ref|sender)\s*\(\s*(?:[A-Za-z_$][\w$]*\s*\.\s*)*([A-Za-z_$][\w$]*)\s*[,)]/g

/** Called right there: `this.ref(Cart, 'c1').add(`, with a node's id that is short. */
const calledThere =
  /\bthis\s*\.\s*(?:ref|sender)\s*\(\s*(?:[A-Za-z_$][\w$]*\s*\.\s*)*([A-Za-z_$][\w$]*)\s*(?:,[^()]*)?\)\s*\.\s*([A-Za-z_$][\w$]*)\s*\(/g

/** The same of another system: `Stock.of('warehouse')`. */
const neighbours =
  /\bthis\s*\.\s*(?:ref|sender)\s*\(\s*(?:[A-Za-z_$][\w$]*\s*\.\s*)*([A-Za-z_$][\w$]*)\s*\.\s*of\s*\(\s*(['"`])([\w-]+)\2\s*\)/g

/**
 * Throws `config.invalid` for a reference to a class whose service is neither declared nor the class's own.
 * @param sources the class, or functions that run as its objects
 */
export function checkUndeclaredCalls(
  description: ClassDescription,
  sources: readonly object[],
  serviceOf: (target: NodeClass) => string,
): void {
  for (const source of sources) {
    const text = Function.prototype.toString.call(source).replaceAll(comments, '')
    for (const [, name] of text.matchAll(references)) {
      const targets = (marked.get(plainName(name!)) ?? []).flatMap((ref) => ref.deref() ?? [])
      // Of a class that is still being made it is not known.
      const isDeclared = (target: NodeClass) => target.className === undefined || description.callsServices.has(serviceOf(target))
      if (targets.length > 0 && !targets.some(isDeclared)) throw undeclared(description, name!, targets[0]!)
    }
    for (const [, name, method] of text.matchAll(calledThere)) {
      const targets = (marked.get(plainName(name!)) ?? []).flatMap((ref) => ref.deref() ?? [])
      const known = targets.filter(({ className }) => className !== undefined)
      if (known.length === 0 || known.some((target) => mayCall(description, serviceOf(target), method!))) continue
      throw undeclaredMethod(description, name!, method!, known[0]!)
    }
    for (const [, name, , system] of text.matchAll(neighbours)) {
      const targets = (marked.get(plainName(name!)) ?? []).flatMap((ref) => ref.deref() ?? [])
      const isDeclared = ({ className }: NodeClass) =>
        className === undefined || description.neighbours.some((each) => each.system === system && each.className === className)
      if (targets.length > 0 && !targets.some(isDeclared))
        throw undeclaredNeighbour(description, name!, system!, targets[0]!.className)
    }
  }
}

/** Whether the class says that it calls this method; where it names none, it may call any. */
export function mayCall({ callsOnly }: ClassDescription, service: string, method: string): boolean {
  return callsOnly.get(service)?.has(method) ?? true
}

export function undeclaredMethod({ className }: ClassDescription, name: string, method: string, target: NodeClass): Fault {
  return new Fault(
    'config.invalid',
    `${className} calls ${target.className}.${method} without saying so: add '${method}' to uses(${name}, [ … ]) in "calls" of its class`,
  )
}

/** A call that is not declared can't be minded when the other is upgraded. */
export function undeclared({ className }: ClassDescription, name: string, target: NodeClass): Fault {
  return new Fault(
    'config.invalid',
    `${className} calls ${target.className} without saying so: add "static override readonly calls = [${name}]" to its class`,
  )
}

export function undeclaredNeighbour({ className }: ClassDescription, name: string, system: string, called: string): Fault {
  return new Fault(
    'config.invalid',
    `${className} calls ${called} of system ${system} without saying so: add "static override readonly calls = [${name}.of('${system}')]" to its class`,
  )
}
