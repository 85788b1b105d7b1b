/** The findings of `natsctl doctor` about systems that this one calls, and those that call it. Pure. */
import type { NodeRow, Version } from 'theseus-actors'
import { type FoundNeighbour, type NeighbourNeed, needText, pinsAmong } from '../history/neighbours.js'
import { type Check, nameList, ok, warning } from './doctorCheck.js'

/** The needs that this system has of another one, and what was found there. */
export interface NeighbourFacts {
  readonly system: string
  readonly needs: readonly NeighbourNeed[]
  readonly found: FoundNeighbour
}

export function neighbourChecks(all: readonly NeighbourFacts[] = [], rows: readonly NodeRow[] = []): readonly Check[] {
  return [...all.map((facts) => neighbourCheck(facts, rows)), ...pinChecks(rows)]
}

function neighbourCheck({ system, needs, found }: NeighbourFacts, rows: readonly NodeRow[]): Check {
  const name = `neighbour ${system}`
  if ('unknown' in found)
    return warning(name, `it can't be read: ${found.unknown}`, 'keep a context for it: docs/natsctl.md, Contexts')
  const troubled = needs.filter(({ trouble }) => trouble !== null)
  if (troubled.length > 0) {
    const names = new Set(troubled.map(({ className }) => `${className}@${system}/1`))
    const nodes = rows.filter(({ uses = [] }) => uses.some((used) => names.has(used))).map(({ nodeId }) => nodeId)
    const advice = `its team must bring that class, or this system an upgrade that does without: see ${system}'s natsctl version ls`
    return warning(name, troubled.map(needText).join('; '), advice, nodes)
  }
  const versions = needs.flatMap(({ found: each }) => (each === null || each.is === 'missing' ? [] : each.version))
  const oldest: Version = Math.min(...versions)
  const called = `${versions.length} of its classes ${versions.length === 1 ? 'is' : 'are'} called, from version ${oldest} on`
  const again = 'are all upgrade servers of this system started with "neighbours"? They set the pin again every few seconds'
  if (found.pin === null)
    return warning(
      name,
      `${called}; the pin that keeps them alive is not there`,
      `${again}, unless its operator has forgotten this system`,
    )
  if (found.pin > oldest) return warning(name, `${called}; the pin names version ${found.pin}`, again)
  if (found.doubt !== undefined)
    return warning(name, `${called}; ${found.doubt}`, 'keep its trust with its context: natsctl context save')
  return ok(name, `${called}; the pin keeps version ${found.pin} and later ones alive`)
}

/** Of systems that call this one. */
function pinChecks(rows: readonly NodeRow[]): readonly Check[] {
  const pins = pinsAmong(rows)
  if (pins.length === 0) return []
  const name = 'pins of neighbours'
  const found = nameList(pins.map(({ system, version }) => `${system} keeps version ${version} and later ones alive`))
  const silent = pinsAmong(rows.filter(({ alive }) => !alive)).map(({ system }) => system)
  if (silent.length === 0) return [ok(name, found)]
  const advice = `natsctl node forget neighbour-${silent[0]}, if that system calls this one no more`
  return [warning(name, `${found}; the upgrade servers of ${nameList(silent)} are not heard of`, advice)]
}
