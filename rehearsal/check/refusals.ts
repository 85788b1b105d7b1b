/**
 * Refusals without need: for a method that a simulation object refuses in every state, one or two calls of
 * the next object are looked for whose effect is that of the refused call. Each candidate is held against
 * several histories. The first that contradicts none is a hint.
 */
import type { Version } from 'theseus-actors'
import { type Blame, carriedOutBy } from './blame.js'
import type { NeedlessRefusal, SourceLine } from './findings.js'
import { type Call, type History, looksAfter, type Step, targetOf } from './history.js'
import { areAlike, type Outcome } from './outcomes.js'
import { type Player, play, type Trace } from './playing.js'
import type { Parameters } from './shapes.js'

/** `futureSO`: refused before the flip, and carried out after it. */
type Role = 'futureSO' | 'pastSO'

interface Sample {
  readonly history: History
  /** The order in which the call was carried out. */
  readonly carriedOut: Trace
  /** The queries that were asked there. */
  readonly looks: readonly Call[]
}

interface Refused {
  readonly role: Role
  readonly version: Version
  readonly node: string
  readonly method: string
  readonly samples: Sample[]
  isAnswered: boolean
}

const samplesMax = 6
/** Fewer say too little. */
const samplesMin = 2
const candidatesMax = 60
const refusalsMax = 12
const argumentsMax = 12

/** One call of the next object: each argument is one of the refused call's, or a constant. */
interface NextCall {
  readonly method: string
  readonly args: readonly ({ readonly of: number } | { readonly constant: unknown })[]
}

export class Refusals {
  readonly #refused = new Map<string, Refused>()

  constructor(private readonly player: Player) {}

  note(history: History, early: Trace, late: Trace): void {
    const { cast } = this.player.sources
    const target = targetOf(history, cast)
    const { call } = history
    // An SO over the class that the node runs: its code would be that of the hint.
    if (target === undefined || call.node !== history.flip || early.flip !== undefined || late.flip !== undefined) return
    const role = call.version === target ? 'futureSO' : call.version === target - 1 ? 'pastSO' : undefined
    if (role === undefined) return
    const [simulated, real] = role === 'futureSO' ? [early, late] : [late, early]
    const key = `${role} ${target} ${call.node} ${call.method}`
    const found = this.#refused.get(key) ?? {
      role,
      version: target,
      node: call.node,
      method: call.method,
      samples: [],
      isAnswered: false,
    }
    this.#refused.set(key, found)
    if (simulated.call.is !== 'refused') found.isAnswered = true
    else if (real.call.is === 'answer' && found.samples.length < samplesMax)
      found.samples.push({
        history: { ...history, after: [] },
        carriedOut: real,
        looks: looksAfter(history, this.player.sources),
      })
  }

  async hints(lineOf: (blame: Blame) => SourceLine | null, untilMs: number): Promise<readonly NeedlessRefusal[]> {
    const hints: NeedlessRefusal[] = []
    const always = [...this.#refused.values()].filter(({ isAnswered, samples }) => !isAnswered && samples.length >= samplesMin)
    for (const refused of always.slice(0, refusalsMax)) {
      if (performance.now() > untilMs) break
      const hint = await this.#hint(refused)
      if (hint !== undefined) hints.push({ ...hint, line: lineOf(hint.blame) })
    }
    return hints
  }

  async #hint(refused: Refused): Promise<Omit<NeedlessRefusal, 'line'> | undefined> {
    const { cast } = this.player.sources
    const { role, version, node, method, samples } = refused
    const member = cast.member(node)
    const label = role === 'futureSO' ? version : version - 1
    const blame = carriedOutBy(member, label, role === 'futureSO' ? version - 1 : version, method)
    if (blame.part !== role || blame.how !== 'implements') return undefined
    if (!(await this.#hasEffect(refused))) return undefined
    for (const calls of this.#candidates(refused)) {
      const answers = new Set<boolean>()
      let isGood = true
      for (const sample of samples) {
        const answered = await this.#agrees(refused, sample, calls)
        if (answered === undefined) {
          isGood = false
          break
        }
        answers.add(answered)
      }
      if (isGood) return { version, blame, method, code: this.#code(refused, calls, !answers.has(false)) }
    }
    return undefined
  }

  /** A command that shows nowhere could be anything. */
  async #hasEffect({ samples }: Refused): Promise<boolean> {
    const { history } = samples[0]!
    if (this.#isQuery(history.call)) return true
    for (const { history: each, carriedOut, looks } of samples) {
      const none = await play(each, 'flipOnly', this.player, { seed: 1, looks })
      if (!carriedOut.looks.every((look, i) => areAlike(look, none.looks[i]!))) return true
    }
    return false
  }

  #isQuery({ node, version, method }: Call): boolean {
    return this.player.sources.cast.methodsAt(node, version).get(method) === 'query'
  }

  /** Undefined where it contradicts; else whether its last answer is that of the refused call. */
  async #agrees(
    { role, version }: Refused,
    { history, carriedOut, looks }: Sample,
    calls: readonly NextCall[],
  ): Promise<boolean | undefined> {
    const label = role === 'futureSO' ? version - 1 : version
    const made = calls.map((call): Step => ({ is: 'call', ...callOf(call, history.call, label) }))
    const flip: Step = { is: 'flip', node: history.flip }
    const before = role === 'futureSO' ? [...history.before, ...made] : [...history.before, flip, ...made]
    const trace = await play({ ...history, before }, role === 'futureSO' ? 'flipOnly' : 'neither', this.player, {
      seed: 1,
      looks,
    })
    const ends = trace.before.slice(trace.before.length - calls.length)
    if (trace.flip !== undefined || ends.some(({ is }) => is !== 'answer')) return undefined
    if (!carriedOut.looks.every((look, i) => isLike(look, trace.looks[i]!))) return undefined
    const isVoid = carriedOut.call.is === 'answer' && carriedOut.call.value == null
    if (isVoid && !this.#isQuery(history.call)) return false
    return isLike(carriedOut.call, ends.at(-1)!) ? true : undefined
  }

  /** One call, and then two: a command, and another one or a query for the answer. */
  #candidates({ role, version, node, method, samples }: Refused): readonly (readonly NextCall[])[] {
    const { cast, parametersOf } = this.player.sources
    const over = role === 'futureSO' ? version - 1 : version
    const { className } = cast.member(node).line[over]!
    const { call } = samples[0]!.history
    const isQuery = this.#isQuery(call)
    const single: NextCall[] = []
    for (const [name, kind] of cast.methodsAt(node, over)) {
      const parameters = parametersOf(className, name)
      if (parameters === undefined || (isQuery && kind === 'command')) continue
      const made = tuplesOf(parameters, call).map((args) => ({ method: name, args }))
      if (name === method) single.unshift(...made)
      else single.push(...made)
    }
    const kinds = cast.methodsAt(node, over)
    const commands = single.filter(({ method: name }) => kinds.get(name) === 'command')
    const pairs = commands.flatMap((first) => single.filter((second) => second !== first).map((second) => [first, second]))
    const likeliest = (all: readonly (readonly NextCall[])[]) => all.toSorted((a, b) => oddness(a, call) - oddness(b, call))
    return [...likeliest(single.map((each) => [each])), ...likeliest(isQuery ? [] : pairs)].slice(0, candidatesMax)
  }

  #code({ role, version, node, method, samples }: Refused, calls: readonly NextCall[], returns: boolean): string {
    const { cast, parametersOf } = this.player.sources
    const { call } = samples[0]!.history
    const names =
      parametersOf(cast.member(node).line[role === 'futureSO' ? version : version - 1]!.className, method)?.names ?? []
    const nameOf = (i: number) => names[i] ?? `arg${i + 1}`
    const [only, ...more] = calls
    const isSame = only!.method === method && only!.args.every((arg, i) => 'of' in arg && arg.of === i) && more.length === 0
    if (isSame) return `delegates: ['${method}']`
    const lines = calls.map(({ method: name, args }, i) => {
      const list = args.map((arg) => ('of' in arg ? nameOf(arg.of) : JSON.stringify(arg.constant))).join(', ')
      return `  ${returns && i === calls.length - 1 ? 'return ' : ''}await this.next.${name}(${list})`
    })
    return [`async ${method}(${call.args.map((_, i) => nameOf(i)).join(', ')}) {`, ...lines, '}'].join('\n')
  }
}

function callOf({ method, args }: NextCall, { node, args: given }: Call, version: Version): Call {
  return { node, version, method, args: args.map((arg) => ('of' in arg ? given[arg.of] : arg.constant)) }
}

/** Small where each argument of the refused call is used once, as people would. */
function oddness(calls: readonly NextCall[], { args }: Call): number {
  const uses = calls.flatMap((call) => call.args.flatMap((arg) => ('of' in arg ? [arg.of] : [])))
  const constants = calls.flatMap((call) => call.args.filter((arg) => !('of' in arg))).length
  const used = new Set(uses)
  return args.length - used.size + (uses.length - used.size) + constants
}

/** The arguments that a method could be given: those of the refused call that fit, and a few constants. */
function tuplesOf({ shapes, required }: Parameters, { args }: Call): readonly NextCall['args'][] {
  let tuples: readonly NextCall['args'][] = [[]]
  for (const shape of shapes.slice(0, required)) {
    const given = args.flatMap((arg, i) => (fits(shape, arg) ? [{ of: i }] : []))
    const constants = constantsOf(shape).map((constant) => ({ constant }))
    tuples = tuples.flatMap((tuple) => [...given, ...constants].map((arg) => [...tuple, arg])).slice(0, argumentsMax)
  }
  return tuples
}

type Shape = Parameters['shapes'][number]

function fits(shape: Shape, value: unknown): boolean {
  switch (shape.is) {
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === shape.is
    case 'value':
      return shape.value === value
    case 'oneOf':
      return shape.shapes.some((each) => fits(each, value))
    case 'any':
      return true
    default:
      return typeof value === 'object' && value !== null
  }
}

function constantsOf(shape: Shape): readonly unknown[] {
  switch (shape.is) {
    case 'number':
      return [0, 1]
    case 'boolean':
      return [true, false]
    case 'value':
      return [shape.value]
    case 'oneOf':
      return shape.shapes.flatMap(constantsOf)
    case 'list':
      return [[]]
    default:
      return []
  }
}

/** A refusal is like nothing but a refusal here: the hint must not make a later call refused. */
function isLike(one: Outcome, other: Outcome): boolean {
  return one.is === other.is && areAlike(one, other)
}
