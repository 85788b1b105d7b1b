/** Reads real traffic and real state for a check, and says what of it fits the upgrades. */
import type { NodeClass, Upgrade } from 'theseus-actors'
import type { ObjectState } from '../../core/model/objectState.js'
import type { Cast } from './cast.js'
import { Traffic, type TrafficCall } from './traffic.js'

export interface RealOptions {
  /** Real traffic: a file that `natsctl record` has written, or its calls. */
  readonly with?: string | URL | readonly TrafficCall[]
  /** Real state: a file that `natsctl backup` has made of a directory or a service, or states of nodes. */
  readonly state?: string | readonly ObjectState[]
}

/** The part of the real traffic and state that was used. */
export interface RealUsed {
  readonly calls: number
  readonly states: number
  /** Nodes of the copy that were left out: their number by the reason. */
  readonly left: Readonly<Record<string, number>>
}

/** Nothing of the traffic or the state that was given is of the classes of the upgrades. */
export class NothingFits extends Error {}

export interface Real {
  readonly traffic: Traffic
  /** Throws where nothing of what was given is of these classes: a check without it would mislead. */
  used(cast: Cast): RealUsed | null
}

export async function realTraffic(options: RealOptions, chain: readonly Upgrade[], nodes: readonly NodeClass[]): Promise<Real> {
  const calls = await callsOf(options.with)
  const { states, left } = await statesOf(options.state, chain, nodes)
  const traffic = new Traffic(calls, states)
  const used = (cast: Cast) => {
    if (options.with === undefined && options.state === undefined) return null
    const found = traffic.summary(cast)
    if (options.with !== undefined && found.calls === 0) {
      const names = new Set(calls.map(({ className }) => className))
      throw new NothingFits(`no recorded call is to a class of these upgrades: they are to ${[...names].join(', ') || 'none'}`)
    }
    if (options.state !== undefined && found.states === 0) {
      const others = Object.entries(left).map(([why, count]) => `${count} ${why}`)
      const has = [...states.map(({ nodeId, className }) => `${nodeId} of ${className}`).slice(0, 3), ...others]
      throw new NothingFits(
        `no node of the state has a class that the first upgrade begins with: it has ${has.join(', ') || 'none'}`,
      )
    }
    return { ...found, left }
  }
  return { traffic, used }
}

async function callsOf(given: RealOptions['with']): Promise<readonly TrafficCall[]> {
  if (given === undefined) return []
  if (typeof given !== 'string' && !(given instanceof URL)) return given
  const { readRecordedCalls } = await import('theseus-actors/build')
  return (await readRecordedCalls(given)).calls
}

async function statesOf(given: RealOptions['state'], chain: readonly Upgrade[], nodes: readonly NodeClass[]) {
  if (given === undefined) return { states: [], left: {} }
  if (typeof given !== 'string') return { states: given, left: {} }
  const { readCopiedNodes } = await import('theseus-actors/build')
  const old = chain.flatMap(({ classUpgrades, unaffected }) => [...classUpgrades.map(({ oldClass }) => oldClass), ...unaffected])
  const read = await readCopiedNodes(given, new Set([...old, ...nodes].map(({ className }) => className)))
  return { states: read.nodes, left: read.left }
}
