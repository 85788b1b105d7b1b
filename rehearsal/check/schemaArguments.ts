/**
 * Arguments that a class's schemas accept. A validator makes no values. Candidates come from its JSON Schema
 * where its library gives one, else from types. Those that it accepts are kept. A candidate that is refused
 * is changed at the places that the issues name. All of it is bounded.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Accepts, StandardSchema } from '../../core/model/standardSchema.js'
import type { Random } from '../../core/ports/random.js'
import { noCodeValues } from './codeValues.js'
import { sampleOf, sampleTexts } from './jsonSchemaSamples.js'
import { type Parameters, pick, randomValue, type Shape, ValuePool } from './shapes.js'

/** Values of one schema, and how often it is asked for them. */
const acceptedMax = 8
const validationsMax = 1_200
/** A validator that asks others may never answer. */
const validationMsMax = 1_000
/** Changes of one candidate. */
const changesMax = 24

export interface AcceptedArguments {
  any(random: Random): readonly unknown[]
  /** A few for a look; those first that calls have had. */
  looks(used: readonly unknown[], most: number): readonly (readonly unknown[])[]
}

const numbers = [0, 1, 2, 3, 5, 10, 18, 42, 100, 1_000, -1, 0.5, 20.25, 1_767_225_600_000]
/** Most calls take the first ones: calls about different things do not disturb one another. */
const favourites = 2

/** Undefined where no value was found that a schema accepts. */
export async function acceptedArguments(
  schemas: Accepts[string],
  parameters: Parameters | undefined,
  literals: readonly string[],
  random: Random,
): Promise<AcceptedArguments | undefined> {
  const isWhole = !Array.isArray(schemas)
  const shapes = parameters?.shapes
  if (isWhole) {
    const tuple: Shape = { is: 'tuple', items: shapes ?? [] }
    const lists = await acceptedBy(schemas as StandardSchema, tuple, literals, random)
    const tuples = lists.filter((each) => Array.isArray(each)) as readonly (readonly unknown[])[]
    return tuples.length === 0 ? undefined : ofTuples(tuples)
  }
  const each: (readonly unknown[])[] = []
  for (const [i, schema] of (schemas as readonly StandardSchema[]).entries()) {
    const accepted = await acceptedBy(schema, shapes?.[i], literals, random)
    if (accepted.length === 0) return undefined
    each.push(accepted)
  }
  return ofLists(each)
}

function ofTuples(tuples: readonly (readonly unknown[])[]): AcceptedArguments {
  return { any: (random) => favoured(tuples, random), looks: (_, most) => tuples.slice(0, most) }
}

function ofLists(lists: readonly (readonly unknown[])[]): AcceptedArguments {
  const any = (random: Random) => lists.map((list) => favoured(list, random))
  const looks = (used: readonly unknown[], most: number) => {
    const candidates = lists.map((list) => {
      const known = list.filter((value) => used.some((other) => isDeepStrictEqual(value, other)))
      return known.length > 0 ? known : list.slice(0, favourites)
    })
    let tuples: readonly (readonly unknown[])[] = [[]]
    for (const list of candidates) tuples = tuples.flatMap((tuple) => list.map((value) => [...tuple, value]))
    return tuples.slice(0, most)
  }
  return { any, looks }
}

function favoured<T>(values: readonly T[], random: Random): T {
  return pick(random.next() < 0.7 ? values.slice(0, favourites) : values, random)
}

async function acceptedBy(
  schema: StandardSchema,
  shape: Shape | undefined,
  literals: readonly string[],
  random: Random,
): Promise<readonly unknown[]> {
  const found: unknown[] = []
  const make = makerOf(schema, shape, literals, random)
  let validations = 0
  while (found.length < acceptedMax && validations < validationsMax) {
    let value = make()
    for (let changes = 0; changes < changesMax && validations < validationsMax; changes++) {
      validations++
      const issues = await issuesOf(schema, value)
      if (issues === 'never answers') return found
      if (issues.length === 0) {
        if (!found.some((other) => isDeepStrictEqual(other, value))) found.push(value)
        break
      }
      value = changedAt(value, pathOf(pick(issues, random)), () => anyValue(literals, random))
    }
  }
  return found
}

function makerOf(schema: StandardSchema, shape: Shape | undefined, literals: readonly string[], random: Random): () => unknown {
  const described = jsonSchemaOf(schema)
  if (described !== undefined) return () => sampleOf(described, random)
  if (shape === undefined) return () => anyValue(literals, random)
  const pool = new ValuePool({ ...noCodeValues, texts: [...literals, ...sampleTexts] })
  // A list, or a record, of scalars is a candidate as it is; a scalar is one of many.
  const isText = shape.is === 'string' || shape.is === 'any'
  return () => (isText && random.next() < 0.9 ? pick([...sampleTexts, ...literals], random) : randomValue(shape, pool, random))
}

function jsonSchemaOf({ '~standard': standard }: StandardSchema): Record<string, unknown> | undefined {
  for (const target of ['draft-2020-12', 'draft-07'])
    try {
      const described = standard.jsonSchema?.input({ target })
      if (typeof described === 'object' && described !== null) return described
    } catch {
      // A library may not know this target, or have no words for this schema.
    }
  return undefined
}

type Issues = readonly unknown[] | 'never answers'

async function issuesOf({ '~standard': standard }: StandardSchema, value: unknown): Promise<Issues> {
  try {
    const result = standard.validate(value)
    if (!(result instanceof Promise)) return result.issues ?? []
    const late = Promise.withResolvers<'never answers'>()
    const timer = setTimeout(() => late.resolve('never answers'), validationMsMax)
    const first = await Promise.race([result, late.promise]).finally(() => clearTimeout(timer))
    return first === 'never answers' ? first : (first.issues ?? [])
  } catch (error) {
    return [error]
  }
}

function pathOf(issue: unknown): readonly PropertyKey[] {
  const { path } = (issue ?? {}) as { readonly path?: unknown }
  if (!Array.isArray(path)) return []
  return path.map((step) => (typeof step === 'object' && step !== null ? (step as { readonly key: PropertyKey }).key : step))
}

/** A path of no parts is the value itself. */
function changedAt(value: unknown, [key, ...rest]: readonly PropertyKey[], make: () => unknown): unknown {
  if (key === undefined) return make()
  if (Array.isArray(value)) return value.map((each, i) => (i === Number(key) ? changedAt(each, rest, make) : each))
  const record = (typeof value === 'object' && value !== null ? value : {}) as Record<PropertyKey, unknown>
  return { ...record, [key]: changedAt(record[key], rest, make) }
}

function anyValue(literals: readonly string[], random: Random): unknown {
  const chance = random.next()
  if (chance < 0.65) return pick([...sampleTexts, ...literals], random)
  if (chance < 0.85) return pick(numbers, random)
  return pick([true, false, null, [], {}], random)
}
