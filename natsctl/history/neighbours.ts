/**
 * The neighbours of a system, as `upgrade plan`, `explain` and `doctor` find them: each by the context that
 * is kept with its name, its history verified with the trust of that context. Nothing is changed there.
 */
import { connectOperator, isFault, type NodeRow, type Operator, type Version } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import {
  type Manifest,
  type NeededVersion,
  type NeighbourState,
  type NeighbourUse,
  neededVersion,
  systemOfPin,
  troubleWith,
  usesBrought,
} from 'theseus-actors/operator'
import { answerTimeoutMs } from '../context/answerTimeout.js'
import { callerName, redisFrom } from '../context/connection.js'
import { type Target, targetOfSystem } from '../context/target.js'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { note, oneLine } from '../output/output.js'
import { HistoryReader } from './knownHistory.js'

const serverDeadlineMs = 3_000

/** A neighbour as its upgrade database tells of it, or why that can't be read. */
export type FoundNeighbour =
  | { readonly state: NeighbourState; readonly pin: Version | null; readonly doubt: string | undefined }
  | { readonly unknown: string }

/** One need of the system, and what is there for it. */
export interface NeighbourNeed extends NeighbourUse {
  /** The class that calls, where that is known. */
  readonly by: string | null
  /** Null where the neighbour can't be read. */
  readonly found: NeededVersion | null
  /** Why an upgrade with this need is refused, or the calls fail; null where they do not. */
  readonly trouble: string | null
  /** Why nothing is known of it; null where it is. */
  readonly unknown: string | null
}

/** Reads each of these once. `system` is the one that calls. */
export async function findNeighbours(
  names: Iterable<string>,
  system: string,
  targetFor: (neighbour: string) => Promise<Target | undefined> = targetOfSystem,
): Promise<ReadonlyMap<string, FoundNeighbour>> {
  const all = [...new Set(names)].map(async (name) => [name, await findNeighbour(name, system, targetFor)] as const)
  return new Map(await Promise.all(all))
}

async function findNeighbour(
  neighbour: string,
  system: string,
  targetFor: (neighbour: string) => Promise<Target | undefined>,
): Promise<FoundNeighbour> {
  try {
    const target = await targetFor(neighbour)
    if (target === undefined)
      return {
        unknown: `no context has system ${neighbour}: natsctl context save <name> --system ${neighbour} --redis <url> --trust <keys>`,
      }
    const operator = await connectOperator({
      system: neighbour,
      ...{ transport: nats(target.nats), udb: redisFrom(target.redis), ...callerName(target) },
      settings: { serverDeadlineMs: answerTimeoutMs(serverDeadlineMs) },
    })
    try {
      return await readNeighbour(operator.database, neighbour, system, target)
    } finally {
      await operator.close()
    }
  } catch (error) {
    if (!isFault(error) && !(error instanceof Failure)) throw error
    return { unknown: oneLine(error.message) }
  }
}

async function readNeighbour(
  database: Operator['database'],
  neighbour: string,
  system: string,
  { trust }: Pick<Target, 'trust'>,
): Promise<FoundNeighbour> {
  const { history } = await new HistoryReader(database, neighbour, trust).read()
  const [rows, death] = await Promise.all([database.nodes(), database.dead()])
  const running = new Set(rows.map(({ className }) => className))
  const pin = rows.find((row) => systemOfPin(row) === system)?.version ?? null
  return { state: { history: history.manifests, running, death }, pin, doubt: history.doubt }
}

/** The findings for each of these needs. */
export function needsOf(
  uses: readonly (NeighbourUse & { readonly by?: string })[],
  neighbours: ReadonlyMap<string, FoundNeighbour>,
): readonly NeighbourNeed[] {
  return uses.map(({ system, className, by = null }) => {
    const neighbour = neighbours.get(system)
    const nothing = { by, system, className, found: null, trouble: null }
    if (neighbour === undefined) return { ...nothing, unknown: 'not asked' }
    if ('unknown' in neighbour) return { ...nothing, unknown: neighbour.unknown }
    const found = neededVersion(neighbour.state, className)
    const trouble = troubleWith(by ?? 'this system', { system, className }, found) ?? null
    return { by, system, className, found, trouble, unknown: null }
  })
}

/** The check of an upgrade server before it installs the upgrade. Throws why it would be refused. */
export async function checkNeighbours({ classUpgrades }: Pick<Manifest, 'classUpgrades'>, system: string): Promise<void> {
  const brought = usesBrought(classUpgrades)
  const neighbours = await findNeighbours(
    brought.map((use) => use.system),
    system,
  )
  const needs = needsOf(brought, neighbours)
  const refused = needs.find(({ trouble }) => trouble !== null)
  if (refused !== undefined) throw new Failure(exitCodes.error, `upgrade.neighbour: ${oneLine(needText(refused))}`)
  for (const need of needs) if (need.unknown !== null) note(oneLine(needText(need)))
}

/** For people, in one line. */
export function needText({ by, system, className, found, trouble, unknown }: NeighbourNeed): string {
  if (trouble !== null) return trouble
  const need = `${by ?? 'this system'} calls ${className} of ${system}`
  if (found === null || found.is === 'missing') return `${need}: nothing is known of it: ${unknown}`
  return `${need}: version ${found.version} there, which ${livesText(found.is)}`
}

function livesText(is: 'alive' | 'dying' | 'dead'): string {
  return is === 'alive' ? 'lives' : is === 'dying' ? 'is declared dead: a pin saves it until that takes effect' : 'is dead'
}

/** For programs: docs/natsctl.md has its form. */
export function needJson({ by, system, className, found, trouble, unknown }: NeighbourNeed) {
  const version = found === null || found.is === 'missing' ? null : found.version
  return { by, system, class: className, version, state: found?.is ?? 'unknown', trouble, unknown }
}

/** The systems whose pins are among these rows, oldest version first. */
export function pinsAmong(rows: readonly NodeRow[]): readonly { readonly system: string; readonly version: Version }[] {
  const pins = rows.flatMap((row) => {
    const system = systemOfPin(row)
    return system === undefined ? [] : [{ system, version: row.version }]
  })
  return pins.toSorted((a, b) => a.version - b.version || (a.system < b.system ? -1 : 1))
}
