/**
 * A story of upgrades, told by core alone: a history, nodes with their records and states, and calls. Each
 * command answers a few lines; a transcript is the commands and the lines (README.md). No node, no disk,
 * no time: what is told follows from the algebra of generations and the plan of chains.
 */
import type { Version } from '../../core/base/ids.js'
import { checkRecord, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import { isSO } from '../../core/model/simulation.js'
import { type ChainPlan, type PlannedLink, planChain } from '../../core/upgrade/chainPlan.js'
import {
  advanced,
  afterCrash,
  firstGeneration,
  flipped,
  flippedBack,
  isLeftBehind,
  isUnfinished,
  learned,
  newborn,
  nextGeneration,
  oldestMeant,
  started,
  withoutDeadVersions,
} from '../../core/upgrade/generations.js'
import { restored, reversed } from '../../core/upgrade/reversedUpgrade.js'
import { takesBack } from '../../core/upgrade/undo.js'
import type { ClassUpgrade, Upgrade } from '../../core/upgrade/upgrade.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { toV2, toV3 } from '../actors/notes.js'

const startTriesMax = 3

interface StoryNode {
  record: NodeRecord
  /** The states on its disk. */
  readonly disk: Set<StateSlot>
}

const upgrades: Record<string, () => Upgrade> = {
  'Notes.v2': () => toV2(),
  'Notes.v2 without past-SO': () => toV2({ cut: 'past' }),
  'Notes.v2 without future-SO': () => toV2({ cut: 'future' }),
  'Notes.v3': () => toV3(),
}

export class Story {
  readonly #history: { readonly upgrade: Upgrade | null; readonly undoes: Version | null }[] = []
  readonly #nodes = new Map<string, StoryNode>()
  #dead: Version = 0
  #final: Version = 0

  /** Carries a command out. Throws for one that there is not. */
  tell(command: string): string {
    for (const [pattern, carryOut] of this.#commands) {
      const found = pattern.exec(command)
      if (found !== null) return carryOut(...found.slice(1))
    }
    throw new Error(`no such command: ${command}`)
  }

  readonly #commands: readonly (readonly [RegExp, (...words: string[]) => string])[] = [
    [/^publish an upgrade of another service$/, () => this.#publish(null, null, 'leaves Notes alone')],
    [/^publish an upgrade to (.+)$/, (name) => this.#publish(upgrades[name!]!(), null, `upgrades to ${name}`)],
    [/^publish the undo of version (\d+)$/, (version) => this.#undo(Number(version))],
    [/^(\w+) is born at version (\d+)$/, (id, version) => this.#birth(id!, Number(version))],
    [/^(\w+) learns version (\d+)$/, (id, version) => this.#learn(id!, Number(version))],
    [
      /^(\w+) advances to version (\d+)$/,
      (id, version) => this.#change(id!, (record) => this.#advanced(record, Number(version))),
    ],
    [/^(\w+) transforms and flips$/, (id) => this.#flip(id!)],
    [/^the transform of (\w+) fails$/, (id) => this.#transformFails(id!)],
    [/^the new object of (\w+) starts$/, (id) => this.#change(id!, started)],
    [/^(\w+) flips back: (.+)$/, (id, why) => this.#change(id!, (record) => flippedBack(record, why!))],
    [/^the host of (\w+) ends and comes back$/, (id) => this.#restart(id!)],
    [/^versions before (\d+) are dead$/, (version) => this.#over(Number(version), this.#final)],
    [/^version (\d+) is final$/, (version) => this.#over(this.#dead, Number(version))],
    [/^(\w+) is called at version (\d+)$/, (id, version) => this.#call(id!, Number(version))],
  ]

  #publish(upgrade: Upgrade | null, undoes: Version | null, what: string): string {
    this.#history.push({ upgrade, undoes })
    return `version ${this.#history.length} ${what}`
  }

  #undo(version: Version): string {
    const { upgrade } = this.#history[version - 1]!
    const brought = this.#undoes(version)
    const made = upgrade === null ? null : brought === null ? reversed(upgrade) : restored(this.#history[brought - 1]!.upgrade!)
    return this.#publish(made, version, `undoes version ${version}`)
  }

  #undoes(version: Version): Version | null {
    return this.#history[version - 1]?.undoes ?? null
  }

  #classUpgrade(version: Version): ClassUpgrade | undefined {
    return this.#history[version - 1]?.upgrade?.classUpgrades[0]
  }

  #classAt(version: Version): string {
    for (let at = version; at > 0; at--) {
      const upgrade = this.#classUpgrade(at)
      if (upgrade !== undefined) return upgrade.newClass.className
    }
    return 'Notes.v1'
  }

  #node(id: string): StoryNode {
    const found = this.#nodes.get(id)
    if (found === undefined) throw new Error(`no node ${id}`)
    return found
  }

  #birth(id: string, version: Version): string {
    const generation = firstGeneration(version, this.#classAt(version))
    const record = newborn({ nodeId: id, service: 'notes', facts: {} }, generation, this.#dead)
    this.#nodes.set(id, { record, disk: new Set([generation.object]) })
    return this.#describe(id)
  }

  #learn(id: string, version: Version): string {
    const node = this.#node(id)
    const futureSO = this.#classUpgrade(version)?.futureSO
    const kind = { undoes: this.#undoes(version), takesBack: takesBack((of) => this.#undoes(of), version) }
    const next = learned(node.record, version, futureSO !== undefined && isSO(futureSO), kind)
    if (next === undefined) return `${id} knows version ${node.record.newest}: the versions between are learned first`
    for (const made of next.made) node.disk.add(made)
    node.record = next.record
    return this.#describe(id)
  }

  #advanced(record: NodeRecord, to: Version): NodeRecord {
    return advanced(record, to, (version) => (this.#classUpgrade(version) === undefined ? null : this.#undoes(version)))
  }

  #change(id: string, change: (record: NodeRecord) => NodeRecord): string {
    const node = this.#node(id)
    node.record = change(node.record)
    return this.#describe(id)
  }

  #next({ generation }: NodeRecord) {
    const version = generation.version + 1
    const upgrade = this.#classUpgrade(version)
    if (upgrade === undefined) throw new Error(`version ${version} has no upgrade of Notes`)
    return nextGeneration(generation, upgrade, this.#undoes(version))
  }

  #flip(id: string): string {
    const node = this.#node(id)
    const next = this.#next(node.record)
    for (const of of [next.object, ...Object.values(next.simulations)]) node.disk.add(of)
    node.record = flipped(node.record, next)
    return this.#describe(id)
  }

  #transformFails(id: string): string {
    const node = this.#node(id)
    node.disk.add(this.#next(node.record).object)
    return this.#describe(id)
  }

  /** A host comes back with the record that is on disk. */
  #restart(id: string): string {
    const node = this.#node(id)
    node.record = afterCrash(checkRecord(unpack(pack(node.record))), startTriesMax)
    return this.#describe(id)
  }

  #over(dead: Version, final: Version): string {
    this.#dead = dead
    this.#final = final
    return [...this.#nodes.keys()].map((id) => this.#change(id, (record) => this.#withoutDead(record, dead, final))).join('\n')
  }

  #withoutDead(record: NodeRecord, dead: Version, final: Version): NodeRecord {
    const meant = oldestMeant(record.generation.version, this.#history.length, (version) => this.#undoes(version))
    return withoutDeadVersions(record, dead, final, meant)
  }

  #plan({ oldest, newest, generation }: NodeRecord): ChainPlan {
    const steps = Array.from({ length: newest - oldest }, (_, i) => {
      const version = oldest + 1 + i
      const classUpgrade = this.#classUpgrade(version)
      if (classUpgrade === undefined) return { version, classUpgrade: 'leavesAlone', undoes: null } as const
      return { version, classUpgrade, undoes: this.#undoes(version) } as const
    })
    return planChain(generation.version, oldest, steps, undefined, (of) => generation.simulations[of] !== undefined)
  }

  /** The versions with their answerers, the states on disk, and those that are swept from there. */
  #describe(id: string): string {
    const { record, disk } = this.#node(id)
    const { generation, previous, upgrade } = record
    const lines = [`${id} is at version ${generation.version}, ${generation.className}`]
    if (previous !== null) lines[0] += `; it can flip back to version ${previous.version}`
    if (upgrade?.phase === 'stalled') lines[0] += `; stalled: ${upgrade.reason}`
    if (upgrade?.phase === 'recovering' && upgrade.startsFailed > 0) lines[0] += `; failed starts: ${upgrade.startsFailed}`
    const { links } = this.#plan(record)
    for (const link of links.toSorted((a, b) => a.version - b.version))
      lines.push(`  ${link.version}: ${this.#answerer(link, record)}`)
    const isSwept = (of: StateSlot) => isLeftBehind(record, of) || (previous === null && isUnfinished(record, of))
    const swept = [...disk].filter(isSwept)
    const named = new Set<StateSlot>([generation.object, ...Object.values(generation.simulations)])
    const kept = [...disk].filter((of) => !named.has(of) && !isSwept(of))
    for (const of of swept) disk.delete(of)
    if (kept.length > 0) lines.push(`  kept: ${kept.join(', ')}`)
    if (swept.length > 0) lines.push(`  swept: ${swept.join(', ')}`)
    return lines.join('\n')
  }

  #answerer(link: PlannedLink, { generation }: NodeRecord): string {
    switch (link.role) {
      case 'object':
        return `the object, state ${generation.object}`
      case 'alias':
        return `as version ${link.over}`
      case 'cut':
        return `nobody: ${link.fault.code}`
      default:
        return `a ${nameOf(link.role)} over version ${link.over}, state ${generation.simulations[link.state]}`
    }
  }

  /** The way of a call through the chain. */
  #call(id: string, version: Version): string {
    const { record } = this.#node(id)
    const { links, below } = this.#plan(record)
    if (version < record.oldest) return `${id} refuses: ${below().code}`
    if (version > record.newest) return `${id} holds the call until it has learned version ${version}`
    const way: string[] = []
    for (let at: Version | undefined = version; at !== undefined; ) {
      const link = links.find((each) => each.version === at)!
      if (link.role === 'cut') return `${id} refuses: ${link.fault.code}`
      if (link.role !== 'alias')
        way.push(link.role === 'object' ? 'the object' : `the ${nameOf(link.role)} of version ${link.state}`)
      at = link.role === 'object' ? undefined : link.over
    }
    return `${id} answers: ${way.join(' → ')}`
  }
}

function nameOf(role: 'pastSO' | 'futureSO'): string {
  return role === 'pastSO' ? 'past-SO' : 'future-SO'
}
