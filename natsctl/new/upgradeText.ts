/**
 * The module of an upgrade, as far as it follows from the two classes: methods that stay are delegated,
 * fields and collections that stay are carried over, forward and back. The rest is a decision, and a compile
 * error until it is made.
 */
import {
  decision,
  decisionValue,
  objectLiteral,
  propertyAccess,
  propertyKey,
  quoted,
  textList,
  valueLiteral,
} from './codeText.js'
import type { Comparison, Method, Part, Side } from './comparison.js'
import { importsOf, type Modules } from './modules.js'

/** A simulation object: `simulated` on top of `over`. */
interface Role {
  readonly kind: 'futureSO' | 'pastSO'
  readonly simulated: Side
  readonly over: Side
  /** The name of the constant; undefined: none is needed. */
  readonly name: string | undefined
  /** Methods that the object below does not answer as they are. */
  readonly left: readonly string[]
  /** Commands of the object below that the simulated class does not know of. */
  readonly strangers: readonly string[]
  /** Whether a field or collection of both is of another type: there may be something independent in it. */
  readonly hasChanges: boolean
  /** Fields and collections that only the simulated class has. */
  readonly fields: readonly string[]
  readonly collections: readonly string[]
}

export function upgradeText(title: string, comparison: Comparison, modules: Modules): string {
  const { old, next } = comparison
  const ahead = roleOf('futureSO', comparison)
  const still = roleOf('pastSO', comparison)
  const words = [
    'defineUpgrade',
    ...(ahead.name === undefined ? [] : ['futureSO']),
    'gradually',
    ...([ahead, still].some(({ name, left }) => name === undefined || left.length === 0) ? ['notNeeded'] : []),
    ...(still.name === undefined ? [] : ['pastSO']),
    ...(ahead.fields.length > 0 ? ['type StateOf'] : []),
    'upgradeClass',
  ]
  return `/**
 * ${title.replaceAll('*/', '* /').replaceAll('\n', ' ')}: ${old.exportName} → ${next.exportName}.
 *
 * Each text that "satisfies 'decided'" is yours to decide: write code in its place. See docs/writing-upgrades.md of theseus-actors.
 */
import { ${words.join(', ')} } from 'theseus-actors'
${importsOf(modules, [old, next])}
${soText(ahead)}${soText(still)}
export default defineUpgrade({
  title: ${quoted(title)},
  classUpgrades: [
    upgradeClass({
      oldClass: ${old.exportName},
      newClass: ${next.exportName},
${soLine(ahead)}
${soLine(still)}
      transform: ${transformText(comparison, 'next', ahead)},
      // The way back: the mirror of the above. Without it the upgrade can't be undone.
      inverse: {
        transform: ${transformText(comparison, 'old', still)},${inverseFutureText(ahead)}
      },
      schedule: gradually({ every: '10s', probability: 0.2 }),
    }),
  ],
})
`
}

function roleOf(kind: Role['kind'], { old, next, fields, collections }: Comparison): Role {
  const [simulated, over, where] = kind === 'futureSO' ? ([next, old, 'next'] as const) : ([old, next, 'old'] as const)
  const left = [...simulated.methods.keys()].filter((name) => !simulated.delegatable.includes(name))
  const strangers = [...over.methods].filter(([name, { kind }]) => kind === 'command' && !simulated.methods.has(name))
  const isOwn = (part: Part) => part.where === where
  const isNeeded = left.length > 0 || strangers.length > 0
  const first = simulated.exportName[0]!.toLowerCase() + simulated.exportName.slice(1)
  return {
    kind,
    simulated,
    over,
    name: isNeeded ? first + (kind === 'futureSO' ? 'Ahead' : 'Still') : undefined,
    left,
    strangers: strangers.map(([name]) => name),
    hasChanges: [...fields, ...collections].some((part) => part.where === 'both' && !(part.fitsForward && part.fitsBack)),
    // Nothing but a method of its own could show what an SO keeps.
    fields: left.length > 0 ? fields.filter(isOwn).map(({ name }) => name) : [],
    collections: left.length > 0 ? collections.filter(isOwn).map(({ name }) => name) : [],
  }
}

function soText(role: Role): string {
  const { kind, simulated, over, name, left } = role
  if (name === undefined) return ''
  const when = kind === 'futureSO' ? 'until a node upgrades' : 'from then on'
  const keeps = keepsOwn(role) ? ` It keeps what is independent of ${over.exportName}, and nothing else.` : ''
  const delegates = simulated.delegatable.length === 0 ? '' : `\n  delegates: ${textList(simulated.delegatable)},`
  const methods = left.map((method) => methodText(role, method, simulated.methods.get(method)!)).join('')
  return `
/** ${simulated.exportName} on top of ${over.exportName}, ${when}.${keeps} */
export const ${name} = ${kind}({
  simulates: ${simulated.exportName},
  over: ${over.exportName},${initialText(role)}${delegates}
  methods: {${methods === '' ? '' : `\n${methods}  `}},
})
`
}

function keepsOwn({ fields, collections }: Role): boolean {
  return fields.length + collections.length > 0
}

function methodText(role: Role, name: string, { parameters }: Method): string {
  return `    ${propertyKey(name)}(${parameters.join(', ')}) {
      throw ${decision(`${name}: ${methodChoice(role, name)}`)}
    },
`
}

function methodChoice(role: Role, name: string): string {
  const { simulated, over } = role
  const there = over.methods.get(name)
  const [mine, below] = [simulated.exportName, over.exportName]
  const refuse = 'or list it in refuses'
  if (there !== undefined) {
    const isAsked = simulated.methods.get(name)!.kind === 'query' && there.kind === 'command'
    const what = isAsked ? `a query of ${mine} and a command of ${below}` : `${below} has it with other types`
    return `${what}; translate this.next${propertyAccess(name)}, ${refuse}`
  }
  if (keepsOwn(role) || role.hasChanges)
    return `${below} has no such method; keep in this SO what is independent of ${below}, do the rest by this.next, ${refuse}`
  return `${below} has no such method; carry it out by this.next, ${refuse}`
}

/** A future-SO begins without any input, a past-SO from the old state (§5). */
function initialText(role: Role): string {
  const { kind, simulated, fields, collections } = role
  if (kind === 'futureSO') {
    if (fields.length === 0) return ''
    const type = `Pick<StateOf<typeof ${simulated.exportName}>, ${fields.map(quoted).join(' | ')}>`
    return `\n  initial: (): ${type} => (${objectLiteral(firstValues(simulated, fields), '  ')}),`
  }
  if (!keepsOwn(role)) return ''
  const state = objectLiteral(
    fields.map((name) => `${propertyKey(name)}: old${propertyAccess(name)}`),
    collections.length > 0 ? '    ' : '  ',
  )
  if (collections.length === 0) return `\n  initial: (old) => (${state}),`
  const copies = collections.flatMap((name) =>
    copyText('    ', `collections.old(${quoted(name)})`, `collections.own(${quoted(name)})`),
  )
  return `\n  initial: async (${fields.length > 0 ? 'old' : '_old'}, collections) => {\n${copies.join('\n')}\n    return ${state}\n  },`
}

export function firstValues({ exportName, initial }: Side, fields: readonly string[]): readonly string[] {
  return fields
    .filter((name) => name in initial)
    .map(
      (name) =>
        `${propertyKey(name)}: ${valueLiteral(initial[name]) ?? `(${exportName}.initial() as StateOf<typeof ${exportName}>)${propertyAccess(name)}`}`,
    )
}

function copyText(indent: string, from: string, to: string): readonly string[] {
  return [
    `${indent}for (const [key, record] of ${from}.entries()) {`,
    `${indent}  ${to}.put(key, record)`,
    `${indent}  await collections.flushed()`,
    `${indent}}`,
  ]
}

function soLine({ kind, name, simulated, over, left, strangers }: Role): string {
  const line = (what: string, why = '') => `      ${kind}: ${what},${why}`
  if (name === undefined) return line('notNeeded', ` // ${over.exportName} answers every call of ${simulated.exportName}`)
  if (left.length > 0 || strangers.length === 0) return line(name)
  const [mine, below] = [simulated.exportName, over.exportName]
  const choice = `notNeeded, if ${below} keeps every promise of ${mine} although it has ${strangers.join(', ')}; else ${name}`
  return line(decisionValue(`${kind}: ${below} answers every call of ${mine}; ${choice}`))
}

/**
 * The transform to the class of one side; for the old one it is the inverse, and the roles are turned round.
 */
function transformText({ old, next, fields, collections }: Comparison, to: 'old' | 'next', so: Role): string {
  const isForward = to === 'next'
  const [from, target] = isForward ? [old, next] : [next, old]
  const [state, own] = isForward ? ['old', 'future'] : ['now', 'past']
  const entries = fields
    .filter(({ where }) => where === 'both' || where === to)
    .map((part) => `${propertyKey(part.name)}: ${fieldText(part, isForward, { state, own, from, target, so })}`)
  const steps = collections
    .filter(({ where }) => where === 'both' || where === to)
    .flatMap((part) => collectionText(part, isForward, { from, target, so }))
  const usesOwn = so.fields.length > 0
  const usesState = entries.some((entry) => entry.includes(state))
  const parameters = [
    ...(usesState || usesOwn || steps.length > 0 ? [usesState ? state : `_${state}`] : []),
    ...(usesOwn || steps.length > 0 ? [usesOwn ? own : `_${own}`] : []),
    ...(steps.length > 0 ? ['collections'] : []),
  ].join(', ')
  const indent = isForward ? '      ' : '        '
  if (steps.length === 0) return `(${parameters}) => (${objectLiteral(entries, indent)})`
  const lines = steps.map((step) => `${indent}  ${step}\n`).join('')
  return `async (${parameters}) => {\n${lines}${indent}  return ${objectLiteral(entries, `${indent}  `)}\n${indent}}`
}

interface Surroundings {
  readonly from: Side
  readonly target: Side
  readonly so: Role
}

function fieldText(
  part: Part,
  isForward: boolean,
  { state, own, from, target, so }: Surroundings & { readonly state: string; readonly own: string },
): string {
  const { name, where } = part
  if (where === 'both') {
    if (isForward ? part.fitsForward : part.fitsBack) return `${state}${propertyAccess(name)}`
    return decisionValue(`${name}: its type differs; make it of ${state}${propertyAccess(name)}`)
  }
  if (so.fields.includes(name)) {
    const made = `make it of ${state}, and take it out of ${so.name}`
    return decisionValue(
      `${name}: only ${target.exportName} has it; ${own}${propertyAccess(name)}, as ${so.name} keeps it; or ${made}`,
    )
  }
  return decisionValue(
    `${name}: only ${target.exportName} has it; make it of ${state}, which is of ${from.exportName}, or begin anew`,
  )
}

function collectionText(part: Part, isForward: boolean, { target, so }: Surroundings): readonly string[] {
  const { name, where } = part
  const quotedName = quoted(name)
  if (where === 'both') {
    if (isForward ? part.fitsForward : part.fitsBack) return [`await collections.carry(${quotedName})`]
    const how = `put each record of collections.old(…), changed, into collections.next(…)`
    return [decision(`${name}: its records differ; ${how}`)]
  }
  if (!so.collections.includes(name))
    return [decision(`${name}: only ${target.exportName} has it; fill collections.next(…), or delete this line: it begins empty`)]
  return [
    decision(`${name}: only ${target.exportName} has it; as ${so.name} keeps it: delete this line; else fill it, not as below`),
    ...copyText('', `collections.future(${quotedName})`, `collections.next(${quotedName})`),
  ]
}

/** After an undo the future-SO goes on with what only the new version knew. */
function inverseFutureText({ fields, collections }: Role): string {
  if (fields.length + collections.length === 0) return ''
  const entries = fields.map((name) => `${propertyKey(name)}: now${propertyAccess(name)}`)
  if (collections.length === 0) return `\n        future: (now) => (${objectLiteral(entries, '        ')}),`
  const copies = collections.flatMap((name) =>
    copyText('          ', `collections.old(${quoted(name)})`, `collections.own(${quoted(name)})`),
  )
  const now = fields.length > 0 ? 'now' : '_now'
  return `\n        future: async (${now}, collections) => {\n${copies.join('\n')}\n          return ${objectLiteral(entries, '          ')}\n        },`
}
