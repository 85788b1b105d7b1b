/**
 * Two classes held against each other: what stays, and what needs a decision. Methods and the first values of
 * fields are known at run time; whether types stay, and what is in collections, only the compiler knows.
 */
import { defineUpgrade, draftManifest, eagerly, type MethodKind, type NodeClass, none, upgradeClass } from 'theseus-actors'
import { exitCodes, Failure } from '../output/exitCodes.js'
import type { LoadedClass } from './classRef.js'
import { type Answers, askCompiler, type Question } from './compilerAnswers.js'
import { parametersOf } from './parameters.js'

export interface Method {
  readonly kind: MethodKind
  readonly parameters: readonly string[]
  /** An argument to try each parameter with, as code; undefined where none could be found. */
  readonly samples: readonly (string | undefined)[]
}

export interface Side {
  readonly exportName: string
  readonly methods: ReadonlyMap<string, Method>
  /** Of these, those that the other class answers as they are. */
  readonly delegatable: readonly string[]
  /** The result of `initial()`. */
  readonly initial: Readonly<Record<string, unknown>>
}

/** A field of the root state, or a collection. */
export type Part = { readonly name: string } & (
  | { readonly where: 'old' | 'next' }
  /** Whether the values of the one fit the other, forward and back. */
  | { readonly where: 'both'; readonly fitsForward: boolean; readonly fitsBack: boolean }
)

export interface Comparison {
  readonly old: Side
  readonly next: Side
  readonly fields: readonly Part[]
  readonly collections: readonly Part[]
}

export async function compare(old: LoadedClass, next: LoadedClass): Promise<Comparison> {
  const { oldMethods, newMethods } = methodsOf(old.definition, next.definition)
  const asked = new Asked()
  const sides = [sideOf(asked, 'Old', old, oldMethods), sideOf(asked, 'New', next, newMethods)] as const
  const found = {
    isOurs: asked.holds('Old extends NodeObject<any, any> ? true : false'),
    fields: partsOf(asked, 'fields', ...sides.map(({ initial }) => Object.keys(initial))),
    collections: partsOf(asked, 'collections', ...[old, next].map(({ definition }) => collectionsNamed(definition))),
    ahead: delegations(asked, 'futureSO', 'New', 'Old', newMethods, oldMethods),
    still: delegations(asked, 'pastSO', 'Old', 'New', oldMethods, newMethods),
  }
  const answers = await asked.ask(old, next)
  if (!found.isOurs(answers)) {
    const message =
      'error: these classes extend another Theseus than this natsctl is of: use the one of the project, "npx natsctl"'
    throw new Failure(exitCodes.error, message)
  }
  const side = (i: 0 | 1, { exportName }: LoadedClass, delegatable: (answers: Answers) => readonly string[]): Side => {
    const { initial, methods } = sides[i]
    return { exportName, initial, methods: methods(answers), delegatable: delegatable(answers) }
  }
  return {
    old: side(0, old, found.still),
    next: side(1, next, found.ahead),
    fields: found.fields(answers),
    collections: found.collections(answers),
  }
}

/**
 * The runtime's judgement of the two, and whether one can follow the other at all. Throws `upgrade.invalid`.
 */
function methodsOf(oldClass: NodeClass, newClass: NodeClass) {
  const classUpgrade = upgradeClass<NodeClass, NodeClass, object, object, any, any>({
    oldClass,
    newClass,
    futureSO: none,
    pastSO: none,
    transform: () => ({}),
    schedule: eagerly(),
  })
  const draft = draftManifest(defineUpgrade({ title: 'compared', classUpgrades: [classUpgrade] }), new Uint8Array())
  const { oldMethods, newMethods } = draft.classUpgrades[0]!
  return { oldMethods, newMethods }
}

type Kinds = Readonly<Record<string, MethodKind>>
type Later<T> = (answers: Answers) => T

/** Questions as they come up, and what to make of the answers. */
class Asked {
  readonly #questions: Question[] = []

  holds(type: string): Later<boolean> {
    return this.#yes({ holds: type })
  }

  compiles(code: string): Later<boolean> {
    return this.#yes({ compiles: code })
  }

  names(type: string): Later<readonly string[] | undefined> {
    const question = { names: type }
    this.#questions.push(question)
    return (answers) => answers.names(question)
  }

  ask(old: LoadedClass, next: LoadedClass): Promise<Answers> {
    return askCompiler(old, next, this.#questions)
  }

  #yes(question: Question): Later<boolean> {
    this.#questions.push(question)
    return (answers) => answers.isYes(question)
  }
}

/** Arguments that are tried, as types and as code alike. */
const samples = ["'a'", '1', 'true', 'null', '[]', '{}']

function sideOf(asked: Asked, type: 'Old' | 'New', { definition }: LoadedClass, kinds: Kinds) {
  const later = Object.entries(kinds).map(([name, kind]) => {
    const parameters = parametersOf(definition.prototype[name])
    const fitting = parameters.map((_, i) =>
      samples.map((sample) => asked.holds(`[${sample}] extends [Args<${type}, ${text(name)}>[${i}]] ? true : false`)),
    )
    const method = (answers: Answers): Method => ({
      kind,
      parameters,
      samples: fitting.map((tried) => samples[tried.findIndex((isTaken) => isTaken(answers))]),
    })
    return [name, method] as const
  })
  return {
    initial: { ...definition.initial() } as Readonly<Record<string, unknown>>,
    methods: (answers: Answers) => new Map(later.map(([name, method]) => [name, method(answers)])),
  }
}

/**
 * Those of `kinds` that the other class can answer as they are: by their types, and by their
 * marks, which the compiler can't see.
 */
function delegations(
  asked: Asked,
  so: 'futureSO' | 'pastSO',
  simulates: string,
  over: string,
  kinds: Kinds,
  others: Kinds,
): Later<readonly string[]> {
  const later = Object.entries(kinds)
    .filter(([name, kind]) => others[name] === kind || (others[name] === 'query' && kind === 'command'))
    .map(([name]) => {
      const code = `${so}({ simulates: ${simulates}, over: ${over}, delegates: [${text(name)}], methods: null! })`
      return [name, asked.compiles(code)] as const
    })
  return (answers) => later.filter(([, can]) => can(answers)).map(([name]) => name)
}

/** How the compiler is asked for the names of fields, or collections, and for what is under one. */
const kinds = {
  fields: { names: (side: string) => `keyof State${side}`, under: (side: string, name: string) => `State${side}[${text(name)}]` },
  collections: { names: (side: string) => `Names${side}`, under: (side: string, name: string) => `Record${side}<${text(name)}>` },
}

/**
 * The fields, or collections, of both: as the types have them, and as they were seen where
 * types leave them open.
 */
function partsOf(
  asked: Asked,
  of: keyof typeof kinds,
  old: readonly string[] = [],
  next: readonly string[] = [],
): Later<readonly Part[]> {
  const { names, under } = kinds[of]
  const typed = { old: asked.names(names('Old')), next: asked.names(names('New')) }
  const fits = (from: string, to: string, name: string) =>
    asked.holds(`[${under(from, name)}] extends [${under(to, name)}] ? true : false`)
  // Which names there are is not known before the answers: all are asked about that were seen.
  const seen = new Map(
    [...new Set([...old, ...next])].map((name) => [name, [fits('Old', 'New', name), fits('New', 'Old', name)] as const]),
  )
  return (answers) => {
    const inOld = new Set(typed.old(answers) ?? old)
    const inNext = new Set(typed.next(answers) ?? next)
    // In the order of the sources, which the compiler does not keep.
    const all = [...new Set([...next, ...old, ...inNext, ...inOld])].filter((name) => inOld.has(name) || inNext.has(name))
    return all.map((name): Part => {
      if (!inNext.has(name)) return { name, where: 'old' }
      if (!inOld.has(name)) return { name, where: 'next' }
      const [forward, back] = seen.get(name) ?? [() => false, () => false]
      return { name, where: 'both', fitsForward: forward(answers), fitsBack: back(answers) }
    })
  }
}

/** The collections that the code of a class, and of those it extends, names. */
function collectionsNamed(definition: NodeClass): readonly string[] {
  const names: string[] = []
  for (let at: unknown = definition; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at))
    for (const [, name] of String(at).matchAll(/\.collection\(\s*["'`]([\w-]+)["'`]/g)) names.push(name!)
  return names
}

function text(name: string): string {
  return `'${name}'`
}
