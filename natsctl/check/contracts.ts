/**
 * Contracts: the shapes of classes, and the work of simulation objects, as a file that is committed. A class
 * keeps its contract for as long as it has its name, for nodes have it already. Another contract needs
 * another class, and an upgrade to it.
 */
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Upgrade } from 'theseus-actors'
import type { UpgradeSource } from 'theseus-actors/rehearsal'
import { type ClassChange, changesOf, type Differences } from 'theseus-actors/rollout'
import { exitCodes, Failure, usageFailure } from '../output/exitCodes.js'

const contractsFormat = 1

/** One class. `methods` has the mark and the types of the parameters, as far as they are known. */
export interface ClassContract {
  readonly service: string
  readonly methods: Readonly<Record<string, string>>
  readonly state: Readonly<Record<string, string>>
  readonly collections: readonly string[]
  readonly publishes: readonly string[]
  readonly hears: readonly string[]
}

/** The fate of each method in the two simulation objects of a class upgrade. */
export interface UpgradeContract {
  readonly futureSO: Readonly<Record<string, string>>
  readonly pastSO: Readonly<Record<string, string>>
}

export interface Contracts {
  readonly format: number
  /** By class name. */
  readonly classes: Readonly<Record<string, ClassContract>>
  /** By `Old.v1 → New.v2`. */
  readonly upgrades: Readonly<Record<string, UpgradeContract>>
}

/** One thing that is not as the baseline has it. */
export interface ContractChange {
  /** A class, or a class upgrade. */
  readonly of: string
  readonly change: string
  /** Whether an upgrade brings it. */
  readonly isAccounted: boolean
}

export function contractsOf(upgrades: readonly Upgrade[], { parameters }: UpgradeSource): Contracts {
  const classes: Record<string, ClassContract> = {}
  const made: Record<string, UpgradeContract> = {}
  for (const change of upgrades.flatMap((upgrade) => changesOf([upgrade]))) {
    classes[change.oldClass] ??= contractOf(change, 'old', parameters[change.oldClass])
    classes[change.newClass] = contractOf(change, 'new', parameters[change.newClass])
    made[`${change.oldClass} → ${change.newClass}`] = {
      futureSO: treatments(change, 'futureSO'),
      pastSO: treatments(change, 'pastSO'),
    }
  }
  return { format: contractsFormat, classes, upgrades: made }
}

function contractOf(
  change: ClassChange,
  side: 'old' | 'new',
  parameters: UpgradeSource['parameters'][string] | undefined,
): ClassContract {
  const named = ({ added, removed, kept }: Differences) => [...kept, ...(side === 'old' ? removed : added)].sort()
  const methods = change.methods.flatMap(({ method, [side]: kind }) => {
    if (kind === null) return []
    const shapes = parameters?.[method]?.shapes
    return [[method, shapes === undefined ? kind : `${kind} ${JSON.stringify(shapes)}`] as const]
  })
  return {
    service: change.service,
    methods: Object.fromEntries(methods),
    state: change.state[side],
    collections: named(change.collections),
    publishes: named(change.publishes),
    hears: named(change.hears),
  }
}

function treatments({ methods }: ClassChange, role: 'futureSO' | 'pastSO'): Readonly<Record<string, string>> {
  return Object.fromEntries(methods.flatMap(({ method, [role]: treatment }) => (treatment === null ? [] : [[method, treatment]])))
}

/** The changes in the chain that is checked: classes that only the baseline has are not looked at. */
export function contractChanges(
  baseline: Contracts,
  current: Contracts,
  upgrades: readonly Upgrade[],
): readonly ContractChange[] {
  const brought = new Set(upgrades.flatMap(({ classUpgrades }) => classUpgrades.map(({ newClass }) => newClass.className)))
  const services = new Set(Object.values(baseline.classes).map(({ service }) => service))
  const changes: ContractChange[] = []
  for (const [name, contract] of Object.entries(current.classes)) {
    const before = baseline.classes[name]
    if (before === undefined) {
      const isAccounted = brought.has(name) || !services.has(contract.service)
      changes.push({ of: name, change: isAccounted ? 'is new' : 'is new, and no upgrade leads to it', isAccounted })
    } else for (const change of differencesOf(before, contract)) changes.push({ of: name, change, isAccounted: false })
  }
  for (const [name, contract] of Object.entries(current.upgrades)) {
    const before = baseline.upgrades[name]
    if (before === undefined) changes.push({ of: name, change: 'is new', isAccounted: true })
    else for (const change of differencesOf(before, contract)) changes.push({ of: name, change, isAccounted: false })
  }
  return changes
}

function differencesOf(before: object, now: object): readonly string[] {
  const changes: string[] = []
  for (const [part, is] of Object.entries(now)) {
    const was = (before as Readonly<Record<string, unknown>>)[part]
    if (isDeepStrictEqual(was, is)) continue
    if (typeof is !== 'object' || Array.isArray(is) || typeof was !== 'object' || was === null) {
      changes.push(`${part} was ${textOf(was)}, and is ${textOf(is)}`)
      continue
    }
    const [old, next] = [was as Readonly<Record<string, unknown>>, is as Readonly<Record<string, unknown>>]
    for (const name of [...new Set([...Object.keys(old), ...Object.keys(next)])].sort())
      if (!isDeepStrictEqual(old[name], next[name]))
        changes.push(`${part}.${name} was ${textOf(old[name])}, and is ${textOf(next[name])}`)
  }
  return changes
}

function textOf(value: unknown): string {
  return value === undefined ? 'not there' : typeof value === 'string' ? value : JSON.stringify(value)
}

/** Undefined where there is no such file. Throws a failure for one that is no baseline. */
export async function readContracts(file: string): Promise<Contracts | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Failure(exitCodes.error, `error: can't read ${file}: ${error.message}`, { cause: error })
  })
  if (text === undefined) return undefined
  const found = parsed(text)
  if (typeof found?.classes !== 'object' || typeof found.upgrades !== 'object')
    throw usageFailure(`${file} is no baseline of contracts: "natsctl upgrade check --update-baseline" writes one`)
  if (found.format === contractsFormat) return found
  throw usageFailure(`${file} has the format ${String(found.format)}; this natsctl reads ${contractsFormat}`)
}

function parsed(text: string): Contracts | undefined {
  try {
    return JSON.parse(text) as Contracts
  } catch {
    return undefined
  }
}

/** The baseline with these in it: what it has of other upgrades stays. */
export function withContracts(baseline: Contracts | undefined, { classes, upgrades }: Contracts): Contracts {
  return {
    format: contractsFormat,
    classes: { ...baseline?.classes, ...classes },
    upgrades: { ...baseline?.upgrades, ...upgrades },
  }
}
