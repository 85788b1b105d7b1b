/**
 * Parameters of a method without types: as many as its code names, with the kind of value that their names
 * and their use suggest.
 */
import type { NodeClass } from 'theseus-actors'
import type { Parameters, Shape } from './shapes.js'

const numeric =
  /^(n|i|index|count|amount|number|size|cents|euros|price|value?s?ize|by|limit|max|min|page|version|ms|seconds|degrees|celsius|kelvin|bytes)$|(Count|Index|Amount|Cents|Size|Ms|Max|Min|Bytes)$/
const truthy = /^(is|has|should|can)[A-Z]|^(enabled|done|force|flag)$/

export function guessedParameters(definition: NodeClass, method: string): Parameters | undefined {
  const code: unknown = definition.prototype[method]
  if (typeof code !== 'function') return undefined
  const text = Function.prototype.toString.call(code)
  const [, list = ''] = /^(?:async\s+)?[\w$#]+\s*\(([^)]*)\)/.exec(text) ?? []
  if (/[{[]|\.\.\./.test(list)) return undefined
  const names = list
    .split(',')
    .map((name) => name.split('=')[0]!.trim())
    .filter((name) => name !== '')
  return { names, shapes: names.map((name) => shapeOf(name, text)), required: code.length }
}

function shapeOf(name: string, code: string): Shape {
  const word = name.replace(/^_/, '')
  const counts =
    new RegExp(`[-+*/]=?\\s*${word}\\b|\\b${word}\\s*[-*/<>]`).test(code) &&
    !new RegExp(`\\$\\{${word}\\}|\\b${word}\\.(trim|length|split|slice)`).test(code)
  if (truthy.test(word)) return { is: 'boolean' }
  return { is: numeric.test(word) || counts ? 'number' : 'string' }
}
