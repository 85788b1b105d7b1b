/** `natsctl rollout watch`: a screen that is drawn again in place on a terminal, else one line for each change. */
import type { NodeRow, Operator } from 'theseus'
import { type ExitCode, exitCodes } from './exitCodes.js'
import type { GlobalFlags } from './flags.js'
import { nodeJson, noNodes } from './node.js'
import { count, hasColour, note, oneLine, print, printJson } from './output.js'
import { looks } from './rolloutPoll.js'
import { screenOf } from './rolloutScreen.js'
import { isPartOfRollout, type Rollout, summarize } from './rolloutSummary.js'

export interface WatchFlags extends GlobalFlags {
  readonly untilDone?: true
}

/** What shows snapshots: one of the three forms below. */
interface View {
  show(rollout: Rollout, rows: readonly NodeRow[]): void
  /** A warning while watching. */
  tell(line: string): void
  end(): void
}

export async function watch(operator: Operator, system: string, flags: WatchFlags): Promise<ExitCode> {
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const view = viewFor(system, flags)
  try {
    for await (const snapshot of looks(operator, interrupted.signal, view.tell)) {
      const rollout = summarize(snapshot.rows, snapshot.newest, snapshot.newest)
      view.show(rollout, snapshot.rows.filter(isPartOfRollout))
      if (flags.untilDone && rollout.settled) return rollout.state === 'done' ? exitCodes.done : exitCodes.degraded
    }
    // Ctrl-C is how a watch ends, unless it was to wait for something.
    return flags.untilDone ? exitCodes.interrupted : exitCodes.done
  } finally {
    view.end()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

function viewFor(system: string, flags: WatchFlags): View {
  if (flags.output === 'json') return changes(jsonLines)
  return process.stdout.isTTY && process.env.TERM !== 'dumb' ? screen(system) : changes(textLines(system))
}

function screen(system: string): View {
  const { stdout } = process
  let lines = 0
  let warning = ''
  stdout.write('\u001b[?25l') // The cursor would jump about.
  return {
    show(rollout, rows) {
      const size = { columns: stdout.columns || 80, rows: stdout.rows || 24, colour: hasColour() }
      const drawn = [...screenOf(rollout, rows, system, Date.now(), size), ...(warning === '' ? [] : [warning])]
      warning = ''
      // Up to the first line, each line to its end, and what an earlier, longer drawing left below.
      const up = lines === 0 ? '' : `\u001b[${lines}A\r`
      stdout.write(`${up}${drawn.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`)
      lines = drawn.length
    },
    tell(line) {
      warning = oneLine(line)
      stdout.write(`${warning}\u001b[K\n`)
      lines++
    },
    end: () => stdout.write('\u001b[?25h'),
  }
}

interface Lines {
  node(row: NodeRow): void
  gone(nodeId: string): void
  progress(rollout: Rollout): void
}

/** Each node when it is first seen and when something about it changes, then how far the whole has come, if that changed. */
function changes(lines: Lines): View {
  let known = new Map<string, { readonly row: NodeRow; readonly fingerprint: string }>()
  let progress = ''
  return {
    show(rollout, rows) {
      const seen: typeof known = new Map()
      for (const row of rows) {
        const { nodeId, className, version, phase, target, reason, alive } = row
        const fingerprint = JSON.stringify([className, version, phase, target, reason, alive])
        if (known.get(nodeId)?.fingerprint !== fingerprint) lines.node(row)
        seen.set(nodeId, { row, fingerprint })
      }
      for (const nodeId of known.keys()) if (!seen.has(nodeId)) lines.gone(nodeId)
      known = seen
      const { goal, nodes, there, state } = rollout
      const next = JSON.stringify([goal, nodes, there, state])
      if (next !== progress) lines.progress(rollout)
      progress = next
    },
    tell: note,
    end() {},
  }
}

const jsonLines: Lines = {
  node: (row) => printJson({ type: 'node', ...nodeJson(row) }),
  gone: (node) => printJson({ type: 'gone', node }),
  progress: ({ goal, state, nodes, there }) => printJson({ type: 'progress', version: goal, state, nodes, there }),
}

function textLines(system: string): Lines {
  return {
    node({ nodeId, service, className, version, phase, target, reason, alive }) {
      const towards = target === null ? '' : ` (to ${target})`
      const why = reason === null ? '' : `: ${reason}`
      print(oneLine(`${nodeId} ${service} ${className} version ${version} ${phase}${towards}${alive ? '' : ', not alive'}${why}`))
    },
    gone: (nodeId) => print(`${nodeId} is not registered any more`),
    progress({ goal, nodes, there, state }) {
      if (nodes === 0) note(noNodes(system))
      print(`version ${goal}: ${there} of ${count(nodes, 'node')} there, ${state}`)
    },
  }
}
