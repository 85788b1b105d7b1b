/**
 * Types as the compiler prints them, read into shapes. They were put into a form of few words before
 * (`argumentTypes.ts`), so that a small grammar is enough: objects, tuples, unions, literals, `undefined`.
 */
import type { Field, Shape } from 'theseus-actors/rehearsal'

type Printed =
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, { readonly type: Printed; readonly isOptional: boolean }> }
  | { readonly kind: 'tuple'; readonly items: readonly Item[] }
  | { readonly kind: 'union'; readonly types: readonly Printed[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'word'; readonly word: string }

interface Item {
  readonly name: string | null
  readonly type: Printed
  readonly isOptional: boolean
  readonly isRest: boolean
}

const tokens = /\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|\.\.\.|[[\]{}()|;:,?&<>]|[\w$.@-]+)/y

export class TypeReader {
  readonly #tokens: string[] = []
  #at = 0

  constructor(text: string) {
    tokens.lastIndex = 0
    for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) this.#tokens.push(match[1]!)
  }

  read(): Printed {
    return this.#union()
  }

  #union(): Printed {
    if (this.#is('|')) this.#at++
    const types = [this.#list()]
    while (this.#is('|')) {
      this.#at++
      types.push(this.#list())
    }
    return types.length === 1 ? types[0]! : { kind: 'union', types }
  }

  /** A type, and `[]` behind it. */
  #list(): Printed {
    let type = this.#one()
    while (this.#is('[') && this.#tokens[this.#at + 1] === ']') {
      this.#at += 2
      type = { kind: 'tuple', items: [{ name: null, type, isOptional: false, isRest: true }] }
    }
    return type
  }

  #one(): Printed {
    const token = this.#tokens[this.#at++]
    if (token === '{') return this.#object()
    if (token === '[') return this.#tuple()
    if (token === '(') {
      const inner = this.#union()
      this.#at++
      return inner
    }
    if (token === 'readonly') return this.#list()
    if (token === undefined) return { kind: 'word', word: 'unknown' }
    if (/^["'`]/.test(token)) return { kind: 'text', text: unquoted(token) }
    return { kind: 'word', word: token }
  }

  #object(): Printed {
    const fields = new Map<string, { type: Printed; isOptional: boolean }>()
    while (!this.#is('}') && this.#at < this.#tokens.length) {
      if (this.#is('readonly') && ![':', '?'].includes(this.#tokens[this.#at + 1] ?? '')) this.#at++
      let name = this.#tokens[this.#at++]!
      if (name === '[') {
        // An index signature: `[x: string]`.
        while (!this.#is(']')) this.#at++
        this.#at++
        name = '[]'
      }
      const isOptional = this.#take('?')
      this.#take(':')
      fields.set(/^["']/.test(name) ? unquoted(name) : name, { type: this.#union(), isOptional })
      this.#take(';')
    }
    this.#at++
    return { kind: 'object', fields }
  }

  #tuple(): Printed {
    const items: Item[] = []
    while (!this.#is(']') && this.#at < this.#tokens.length) {
      const isRest = this.#take('...')
      let name: string | null = null
      const next = this.#tokens[this.#at + 1]
      const isNamed = next === ':' || (next === '?' && this.#tokens[this.#at + 2] === ':')
      if (isNamed) name = this.#tokens[this.#at++]!
      let isOptional = isNamed && this.#take('?')
      if (isNamed) this.#take(':')
      const type = this.#union()
      isOptional = this.#take('?') || isOptional
      items.push({ name, type: isRest && type.kind === 'tuple' ? type.items[0]!.type : type, isOptional, isRest })
      this.#take(',')
    }
    this.#at++
    return { kind: 'tuple', items }
  }

  #is(token: string): boolean {
    return this.#tokens[this.#at] === token
  }

  #take(token: string): boolean {
    const isThere = this.#is(token)
    if (isThere) this.#at++
    return isThere
  }
}

function unquoted(token: string): string {
  try {
    return token.startsWith('"') ? (JSON.parse(token) as string) : token.slice(1, -1).replaceAll(/\\(.)/g, '$1')
  } catch {
    return token.slice(1, -1)
  }
}

/** The items of the tuple that a method takes. */
export function readArguments(text: string): readonly Item[] | undefined {
  const read = new TypeReader(text).read()
  return read.kind === 'tuple' ? read.items : undefined
}

/** Undefined for what no value can be made of. */
export function shapeOf(type: Printed): Shape | undefined {
  if (type.kind === 'union') {
    const shapes = type.types.filter((each) => !isUndefined(each)).map(shapeOf)
    return shapes.some((shape) => shape === undefined) ? undefined : oneOf(shapes as Shape[])
  }
  if (type.kind !== 'object') return undefined
  const { k, v, of, f } = Object.fromEntries([...type.fields].map(([name, { type: field }]) => [name, field]))
  switch (k?.kind === 'text' ? k.text : '') {
    case 'text':
      return { is: 'string' }
    case 'number':
      return { is: 'number' }
    case 'flag':
      return { is: 'boolean' }
    case 'bytes':
      return { is: 'bytes' }
    case 'date':
      return { is: 'date' }
    case 'any':
      return { is: 'any' }
    case 'null':
      return { is: 'value', value: null }
    case 'literal':
      if (v?.kind !== 'text') return undefined
      // A template, or text with a brand: any text is near enough.
      return v.text.includes('${') ? { is: 'string' } : { is: 'value', value: v.text }
    case 'numeral':
      return v?.kind === 'text' ? { is: 'value', value: Number(v.text) } : undefined
    case 'list':
      return of === undefined ? undefined : listOf(of)
    case 'tuple':
      return of?.kind === 'tuple' ? tupleOf(of.items) : undefined
    case 'fields':
      return f?.kind === 'object' ? objectOf(f.fields) : undefined
    default:
      return undefined
  }
}

function oneOf(shapes: readonly Shape[]): Shape {
  const unique = [...new Map(shapes.map((shape) => [JSON.stringify(shape), shape])).values()]
  return unique.length === 1 ? unique[0]! : { is: 'oneOf', shapes: unique }
}

function listOf(of: Printed): Shape | undefined {
  const shape = shapeOf(of)
  return shape === undefined ? undefined : { is: 'list', of: shape }
}

function tupleOf(items: readonly Item[]): Shape | undefined {
  const shapes = items.filter(({ isRest }) => !isRest).map(({ type }) => shapeOf(type))
  return shapes.some((shape) => shape === undefined) ? undefined : { is: 'tuple', items: shapes as Shape[] }
}

function objectOf(fields: ReadonlyMap<string, { readonly type: Printed; readonly isOptional: boolean }>): Shape | undefined {
  const index = fields.get('[]')
  if (index !== undefined) {
    const of = shapeOf(index.type)
    return of === undefined ? undefined : { is: 'record', of }
  }
  const made: Record<string, Field> = {}
  for (const [name, { type, isOptional }] of fields) {
    const shape = shapeOf(type)
    const canBeLeftOut = isOptional || (type.kind === 'union' && type.types.some(isUndefined))
    if (shape === undefined && !canBeLeftOut) return undefined
    if (shape !== undefined) made[name] = { shape, ...(canBeLeftOut ? { isOptional: true } : {}) }
  }
  return { is: 'object', fields: made }
}

export function isUndefined(type: Printed): boolean {
  return type.kind === 'word' && type.word === 'undefined'
}
