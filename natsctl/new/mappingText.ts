/**
 * The mapping functions beside an upgrade (§7): how the state of the one class is related to that of the
 * other, for the rehearsal.
 */
import { decisionValue, objectLiteral, propertyAccess, propertyKey, quoted, textList } from './codeText.js'
import type { Comparison, Part, Side } from './comparison.js'
import { importsOf, type Modules } from './modules.js'
import { firstValues } from './upgradeText.js'

export function mappingText(comparison: Comparison, modules: Modules): string {
  const { old, next } = comparison
  const both = mappingOf(comparison, 'next') + mappingOf(comparison, 'old')
  const stateOf = both.includes('StateOf<') ? "import type { StateOf } from 'theseus-actors'\n" : ''
  return `/** How ${old.exportName} and ${next.exportName} are related (§7 of the paper): what "rehearse" holds their answers against. */
${stateOf}import { mapping } from 'theseus-actors/rehearsal'
${importsOf(modules, [old, next])}
${both}`
}

export function mappingName({ exportName }: Side): string {
  return `to${exportName[0]!.toUpperCase()}${exportName.slice(1)}`
}

function mappingOf(comparison: Comparison, to: 'old' | 'next'): string {
  const [from, target] = to === 'next' ? [comparison.old, comparison.next] : [comparison.next, comparison.old]
  const fields = comparison.fields.filter(({ where }) => where === 'both' || where === to)
  const entries = fields.map((part) => fieldText(part, to, from, target, comparison))
  const usesOld = entries.some((entry) => /\bold\b/.test(entry))
  const collections = comparison.collections.flatMap((part) => collectionText(part, to))
  const collectionsLine = collections.length === 0 ? '' : `\n  collections: ${objectLiteral(collections, '  ')},`
  const queries = target.delegatable.filter((name) => target.methods.get(name)!.kind === 'query')
  return `
/**
 * The state that a node of ${from.exportName} has for a caller of ${target.exportName}.
 * The parts that do not come from ${from.exportName} are as ${target.exportName} begins.
 * \`dependent\` are the queries that show nothing but the parts that do: these are checked.
 */
export const ${mappingName(target)} = mapping({
  from: ${from.exportName},
  to: ${target.exportName},
  state: (${usesOld ? 'old' : ''}) => (${objectLiteral(entries, '  ')}),${collectionsLine}
  dependent: ${textList(queries)},
})
`
}

function fieldText(part: Part, to: 'old' | 'next', from: Side, target: Side, { fields }: Comparison): string {
  const { name, where } = part
  if (where === 'both') {
    const fits = to === 'next' ? part.fitsForward : part.fitsBack
    return `${propertyKey(name)}: ${fits ? `old${propertyAccess(name)}` : decisionValue(`${name}: its type differs; make it of old${propertyAccess(name)}`)}`
  }
  // Where something else is gone it may have become this; where nothing is, this is new.
  const isAlone = fields.every((other) => other.where === 'both' || other.where === to)
  const [first] = firstValues(target, [name])
  if (isAlone && first !== undefined) return first
  return `${propertyKey(name)}: ${decisionValue(`${name}: only ${target.exportName} has it; make it of old, of ${from.exportName}, or begin anew`)}`
}

function collectionText(part: Part, to: 'old' | 'next'): readonly string[] {
  if (part.where !== 'both') return []
  const { name } = part
  const fits = to === 'next' ? part.fitsForward : part.fitsBack
  const records = `old(${quoted(name)}).entries()`
  return [
    `${propertyKey(name)}: (old) => ${fits ? records : decisionValue(`${name}: its records differ; make them of ${records.replaceAll("'", '')}`)}`,
  ]
}
