/** Values that a JSON Schema describes, as near as a few rules come. Its validator has the last word. */
import type { Random } from '../../core/ports/random.js'
import { pick } from './shapes.js'

const byFormat: Readonly<Record<string, readonly string[]>> = {
  email: ['a@example.com', 'b@example.com'],
  uri: ['https://example.com/a', 'https://example.com/b'],
  url: ['https://example.com/a', 'https://example.com/b'],
  uuid: ['8f14e45f-ceea-467f-9a3d-0b1c2d3e4f50', '45c48cce-2e2d-4fbd-aa1a-0b1c2d3e4f51'],
  date: ['2026-01-01', '2026-01-02'],
  'date-time': ['2026-01-01T00:00:00Z', '2026-01-02T12:30:00Z'],
  time: ['12:00:00Z', '23:59:59Z'],
  duration: ['PT1H', 'P1D'],
  ipv4: ['192.0.2.1', '192.0.2.2'],
  ipv6: ['2001:db8::1', '2001:db8::2'],
  hostname: ['a.example', 'b.example'],
}

/** Texts of which most validators take some. */
export const sampleTexts: readonly string[] = [
  ...['a', 'b', 'c d', 'Ω', 'abc', 'abcdefgh', 'ABC', 'AB-12', 'a-b', 'a_b', '/a', '/b', '#ff0000', 'Zm9v'],
  ...['12', '123', '12345', '0042', '+15550100', '1.5', '12:00', 'EUR', 'USD', 'de', 'DE', 'en-GB', 'true'],
  ...['x'.repeat(16), 'y'.repeat(32), '0123456789abcdef0123456789abcdef', '01ARZ3NDEKTSV4RRFFQ69G5FAV'],
  ...Object.values(byFormat).flat(),
]

type Described = Readonly<Record<string, unknown>>

const depthMax = 6
const itemsMax = 2
const textLengthMax = 256

export function sampleOf(schema: Described, random: Random): unknown {
  return sample(schema, schema, random, 0)
}

function sample(given: unknown, root: Described, random: Random, depth: number): unknown {
  const schema = resolved(given, root)
  const inner = (of: unknown) => sample(of, root, random, depth + 1)
  if ('const' in schema) return schema.const
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return pick(schema.enum, random)
  const choices = schema.anyOf ?? schema.oneOf
  if (Array.isArray(choices) && choices.length > 0 && depth < depthMax) return inner(pick(choices, random))
  const type = Array.isArray(schema.type) ? pick(schema.type, random) : (schema.type ?? impliedType(schema))
  switch (type) {
    case 'string':
      return text(schema, random)
    case 'integer':
      return Math.round(number(schema, random))
    case 'number':
      return number(schema, random)
    case 'boolean':
      return random.next() < 0.5
    case 'null':
      return null
    case 'array':
      return list(schema, random, depth, inner)
    case 'object':
      return record(schema, random, depth, inner)
    default:
      return pick<unknown>(['a', 'b', 1, 2, true], random)
  }
}

function impliedType(schema: Described): string | undefined {
  if ('properties' in schema || 'additionalProperties' in schema) return 'object'
  if ('items' in schema || 'prefixItems' in schema) return 'array'
  return 'pattern' in schema || 'format' in schema ? 'string' : undefined
}

/** With what it refers to, and all parts of an `allOf` in one. */
function resolved(given: unknown, root: Described, depth = 0): Described {
  const schema: Described = typeof given === 'object' && given !== null ? (given as Described) : {}
  if (depth >= depthMax) return schema
  const { $ref, allOf } = schema
  if (typeof $ref === 'string' && $ref.startsWith('#')) {
    const parts = $ref
      .slice(1)
      .split('/')
      .filter((part) => part !== '')
    const found = parts.reduce<unknown>((at, part) => (at as Described | undefined)?.[decodeURIComponent(part)], root)
    return resolved(found, root, depth + 1)
  }
  if (!Array.isArray(allOf)) return schema
  const parts = [schema, ...allOf.map((part) => resolved(part, root, depth + 1))]
  const properties = Object.assign({}, ...parts.map((part) => part.properties))
  const required = parts.flatMap((part) => (Array.isArray(part.required) ? part.required : []))
  return Object.assign({}, ...parts, { properties, required })
}

function text({ format, pattern, minLength, maxLength }: Described, random: Random): string {
  const all = byFormat[String(format)] ?? sampleTexts
  const matching = typeof pattern === 'string' ? all.filter((each) => matches(pattern, each)) : all
  const made = pick(matching.length > 0 ? matching : all, random)
  const least = Math.min(typeof minLength === 'number' ? minLength : 0, textLengthMax)
  return made.padEnd(least, 'x').slice(0, typeof maxLength === 'number' ? maxLength : undefined)
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return true
  }
}

function number({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }: Described, random: Random): number {
  const least = typeof minimum === 'number' ? minimum : typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : undefined
  const most = typeof maximum === 'number' ? maximum : typeof exclusiveMaximum === 'number' ? exclusiveMaximum - 1 : undefined
  const from = least ?? Math.min(0, most ?? 0)
  const step = typeof multipleOf === 'number' && multipleOf > 0 ? multipleOf : 1
  const candidates = [0, 1, 2, 7, 42].map((count) => Math.ceil(from / step) * step + count * step)
  const fit = candidates.filter((each) => most === undefined || each <= most)
  return pick(fit.length > 0 ? fit : [from], random)
}

type Inner = (of: unknown) => unknown

function list({ items, prefixItems, minItems, maxItems }: Described, random: Random, depth: number, inner: Inner): unknown[] {
  const first = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : []
  const rest = Array.isArray(items) || items === undefined || items === false ? undefined : items
  const least = Math.max(0, (typeof minItems === 'number' ? minItems : 0) - first.length)
  const more = rest === undefined || depth >= depthMax ? 0 : least + Math.floor(random.next() * (itemsMax + 1))
  const most = typeof maxItems === 'number' ? Math.max(0, maxItems - first.length) : more
  return [...first.map(inner), ...Array.from({ length: Math.min(more, most) }, () => inner(rest))]
}

function record(
  { properties, required, additionalProperties }: Described,
  random: Random,
  depth: number,
  inner: Inner,
): Record<string, unknown> {
  const needed = new Set(Array.isArray(required) ? required : [])
  const fields = Object.entries((properties ?? {}) as Described)
  const taken = fields.filter(([name]) => needed.has(name) || (depth < depthMax && random.next() < 0.6))
  const own = taken.map(([name, of]) => [name, inner(of)] as const)
  const isOpen = typeof additionalProperties === 'object' && additionalProperties !== null && fields.length === 0
  const more = isOpen && depth < depthMax ? [[pick(['a', 'b'], random), inner(additionalProperties)] as const] : []
  return Object.fromEntries([...own, ...more])
}
