/** A watch that is no screen: one line, or one document of JSON, for each change. */
import type { NodeRow, Version } from 'theseus-actors'
import { mayBeAsleep } from 'theseus-actors/operator'
import { count, note, oneLine, print, printJson } from '../output/output.js'
import { nodeJson, noNodesText } from '../rollout/nodeFormat.js'
import type { RolloutState } from '../rollout/rolloutState.js'
import { isPartOfRollout } from '../rollout/rolloutSummary.js'
import type { VersionRates } from './rates.js'

interface Lines {
  node(row: NodeRow): void
  gone(nodeId: string): void
  progress(rollout: RolloutState): void
  figures?(rates: VersionRates, nodes: number): void
}

/**
 * Each node when it is first seen and when something about it changes, then how far the whole
 * has come, if that changed.
 */
export class ChangeLines {
  #known = new Map<string, string>()
  #progress = ''
  readonly #figures = new Map<string, string>()

  constructor(private readonly lines: Lines) {}

  show(rollout: RolloutState, all: readonly NodeRow[], rates: readonly VersionRates[]): void {
    const seen: Map<string, string> = new Map()
    for (const row of all.filter(isPartOfRollout)) {
      const { nodeId, className, version, phase, target, reason, alive } = row
      const fingerprint = JSON.stringify([className, version, phase, target, reason, alive])
      if (this.#known.get(nodeId) !== fingerprint) this.lines.node(row)
      seen.set(nodeId, fingerprint)
    }
    for (const nodeId of this.#known.keys()) if (!seen.has(nodeId)) this.lines.gone(nodeId)
    this.#known = seen
    const { goal, nodes, there, state } = rollout
    const next = JSON.stringify([goal, nodes, there, state])
    if (next !== this.#progress) this.lines.progress(rollout)
    this.#progress = next
    for (const one of rates) this.#tellFigures(one, nodesAt(rollout, one.service, one.version))
  }

  #tellFigures(rates: VersionRates, nodes: number): void {
    if (rates.calls === undefined || this.lines.figures === undefined) return
    const key = `${rates.service}/${rates.version}`
    const said = JSON.stringify(figuresJson(rates, nodes))
    if (this.#figures.get(key) === said) return
    this.#figures.set(key, said)
    this.lines.figures(rates, nodes)
  }
}

export const jsonLines: Lines = {
  node: (row) => printJson({ type: 'node', ...nodeJson(row) }),
  gone: (node) => printJson({ type: 'gone', node }),
  progress: ({ goal, state, nodes, there }) => printJson({ type: 'progress', version: goal, state, nodes, there }),
  figures: (rates, nodes) => printJson(figuresJson(rates, nodes)),
}

export function textLines(system: string): Lines {
  return {
    node(row) {
      const { nodeId, service, className, version, phase, target, reason, alive } = row
      const towards = target === null ? '' : ` (to ${target})`
      const why = reason === null ? '' : `: ${reason}`
      print(
        oneLine(
          `${nodeId} ${service} ${className} version ${version} ${phase}${towards}${alive ? '' : mayBeAsleep(row) ? ', asleep' : ', not alive'}${why}`,
        ),
      )
    },
    gone: (nodeId) => print(`${nodeId} is not registered any more`),
    progress({ goal, nodes, there, state }) {
      if (nodes === 0) note(noNodesText(system))
      print(`version ${goal}: ${there} of ${count(nodes, 'node')} there, ${state}`)
    },
  }
}

function figuresJson({ service, version, calls, simulated, refused, failed, p99Ms }: VersionRates, nodes: number) {
  return {
    type: 'figures',
    service,
    version,
    nodes,
    callsPerSecond: rounded(calls),
    simulatedPerSecond: rounded(simulated),
    refusedPerSecond: rounded(refused),
    errorsPerSecond: rounded(failed),
    p99Ms: rounded(p99Ms),
  }
}

/** As exact as it means something, so that what stays the same is told once. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(3))
}

function nodesAt({ services }: RolloutState, service: string, version: Version): number {
  const found = services.find((one) => one.service === service)
  return found?.versions.find((one) => one.version === version)?.nodes ?? 0
}
