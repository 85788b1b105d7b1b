/** The nodes of a history and their classes at each version, as an upgrade designer would list them. */
import type { MethodKind, NodeClass, Upgrade, Version } from 'theseus-actors'
import { isAdmitted, type NodeFacts } from '../../core/model/nodeFilter.js'
import { describeClass } from '../../core/model/nodeObject.js'
import { isSO } from '../../core/model/simulation.js'
import { classesCalled } from '../../core/model/uses.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'

/** One node, with the classes of its service. */
export interface Member {
  readonly nodeId: string
  /** The class at each version: callers of that version see it. */
  readonly line: readonly NodeClass[]
  /** The class upgrade that brings each version; undefined where it leaves the class alone. */
  readonly steps: readonly (ClassUpgrade | undefined)[]
  /** The versions to which this node flips: those whose upgrade is for it. */
  readonly flips: readonly Version[]
}

export class Cast {
  readonly members: ReadonlyMap<string, Member>
  readonly newest: Version

  constructor(
    readonly nodes: Readonly<Record<string, NodeClass>>,
    readonly upgrades: readonly Upgrade[],
  ) {
    this.newest = upgrades.length
    const facts = factsOf(upgrades)
    this.members = new Map(Object.entries(nodes).map(([nodeId, first]) => [nodeId, memberOf(nodeId, first, upgrades, facts)]))
  }

  get facts(): NodeFacts {
    return factsOf(this.upgrades)
  }

  member(nodeId: string): Member {
    const member = this.members.get(nodeId)
    if (member === undefined) throw new Error(`there is no node ${nodeId}: there are ${[...this.members.keys()].join(', ')}`)
    return member
  }

  /** The members that some upgrade is for. */
  get flipping(): readonly Member[] {
    return [...this.members.values()].filter(({ flips }) => flips.length > 0)
  }

  methodsAt(nodeId: string, version: Version): ReadonlyMap<string, MethodKind> {
    return describeClass(this.member(nodeId).line[version]!).methods
  }
}

/** All facts that filters ask for. Where they contradict one another the first counts. */
function factsOf(upgrades: readonly Upgrade[]): NodeFacts {
  return Object.assign(
    {},
    ...upgrades.flatMap(({ classUpgrades }) => classUpgrades.map(({ only }) => only?.facts ?? {})).reverse(),
  )
}

function memberOf(nodeId: string, first: NodeClass, upgrades: readonly Upgrade[], facts: NodeFacts): Member {
  const line = [first]
  const steps: (ClassUpgrade | undefined)[] = [undefined]
  const flips: Version[] = []
  for (const [index, { classUpgrades }] of upgrades.entries()) {
    const current = line.at(-1)!
    const step = classUpgrades.find(({ oldClass }) => oldClass.className === current.className)
    line.push(step?.newClass ?? current)
    steps.push(step)
    if (step !== undefined && (step.only === null || isAdmitted(step.only, { nodeId, facts }))) flips.push(index + 1)
  }
  return { nodeId, line, steps, flips }
}

/** The class of each service at version 0, with those that they call: one node of each. */
export function castOf(upgrades: readonly Upgrade[], more: readonly NodeClass[] = []): Readonly<Record<string, NodeClass>> {
  const made = new Set(upgrades.flatMap(({ classUpgrades }) => classUpgrades.map(({ newClass }) => newClass.className)))
  const firsts = new Map<string, NodeClass>()
  const add = (definition: NodeClass) => {
    const { service } = describeClass(definition)
    if (!firsts.has(service)) firsts.set(service, definition)
  }
  for (const { classUpgrades } of upgrades)
    for (const { oldClass } of classUpgrades) if (!made.has(oldClass.className)) add(oldClass)
  for (const definition of [...more, ...upgrades.flatMap(({ unaffected }) => unaffected)]) add(definition)
  // Classes that are called, where they are there as classes: those of other systems are not.
  for (const definition of [...firsts.values()])
    for (const called of classesCalled(definition)) if (!made.has(called.className)) add(called)
  const only = upgrades.flatMap(({ classUpgrades }) => classUpgrades.flatMap((each) => each.only?.nodes ?? []))
  const entries = [...firsts].flatMap(([service, definition]) => {
    const id = firsts.size === 1 ? 'n1' : `${service}1`
    const admitted = only.map((pattern) => pattern.replaceAll('*', '1'))
    const ids = admitted.length > 0 && isRestricted(definition, upgrades) ? [admitted[0]!, 'other'] : [id]
    return ids.map((nodeId) => [nodeId, definition] as const)
  })
  return Object.fromEntries(entries)
}

function isRestricted(definition: NodeClass, upgrades: readonly Upgrade[]): boolean {
  const { service } = describeClass(definition)
  return upgrades.some(({ classUpgrades }) =>
    classUpgrades.some(({ oldClass, only }) => only?.nodes !== undefined && describeClass(oldClass).service === service),
  )
}

/**
 * Whether nodes of these upgrades depend on nothing but their own calls: then many histories share a system.
 */
export function areAlone(cast: Cast): boolean {
  const definitions = new Set([...cast.members.values()].flatMap(({ line }) => line))
  const steps = cast.upgrades.flatMap(({ classUpgrades }) => classUpgrades)
  const codes = [...definitions].flatMap(codeOf)
  const simulations = steps.flatMap(({ pastSO, futureSO }) => [pastSO, futureSO]).filter(isSO)
  codes.push(...simulations.flatMap(({ methods }) => Object.values(methods).map((method) => String(method))))
  const isAlone = !codes.some((code) => /\.\s*(ref|sender|publish|after|nodeId|now|random|caller|wait)\b/.test(code))
  const hears = [...definitions].some((definition) => describeClass(definition).hears.size > 0)
  return cast.members.size === 1 && isAlone && !hears && steps.every(({ only }) => only === null)
}

/**
 * The commands that the classes of a service call on other nodes of it: steps of a protocol among them, which
 * no client makes alone.
 */
export function internalCommands({ line }: Member): ReadonlySet<string> {
  const names = line.map(({ name }) => name.replace(/^_+/, '')).filter((name) => name !== '')
  const peer = new RegExp(`\\b(?:ref|sender)\\s*\\(\\s*_?(?:${names.join('|')})\\d*\\b[^)]*\\)\\s*\\.\\s*(\\w+)\\s*\\(`, 'g')
  const called = line.flatMap(codeOf).flatMap((code) => [...code.matchAll(peer)].map(([, method]) => method!))
  return new Set(
    called.filter((method) => line.some((definition) => describeClass(definition).methods.get(method) === 'command')),
  )
}

/** The text of a class and of those that it extends. */
export function codeOf(definition: NodeClass): readonly string[] {
  const codes: string[] = []
  for (let at: unknown = definition; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    if ((at as { name?: string }).name === 'NodeObject') break
    codes.push(Function.prototype.toString.call(at))
  }
  return codes
}
