/** Shows the rollout: redrawn in place on a terminal, as lines of what changes elsewhere. */
import type { Phase, Version } from 'theseus-actors'
import { paint } from '../output/output.js'
import { cutStyled, padded } from '../output/width.js'

export interface NodeView {
  readonly id: string
  readonly className: string
  readonly version: Version
  readonly phase: Phase
  /** The versions that each class answers, or where the node is. */
  readonly answers: string
  /** The cost of its last upgrade, if that is known. */
  readonly pause?: string
}

export interface ClientView {
  readonly name: string
  readonly calls: number
  readonly failed: number
  readonly wrong: number
}

export interface View {
  readonly title: string
  readonly nodes: readonly NodeView[]
  readonly clients: readonly ClientView[]
}

const isTerminal = process.stdout.isTTY === true

const marks: Record<Phase, string> = {
  current: paint('green', '● current'),
  fetching: paint('cyan', '◌ fetching'),
  verifying: paint('cyan', '◌ verifying'),
  scheduled: paint('cyan', '◔ scheduled'),
  draining: paint('yellow', '◑ draining'),
  transforming: paint('yellow', '◑ transforming'),
  checking: paint('yellow', '◑ checking'),
  flipping: paint('yellow', '◕ flipping'),
  recovering: paint('yellow', '◕ recovering'),
  stalled: paint('red', '✖ stalled'),
  rejected: paint('red', '✖ rejected'),
  failed: paint('red', '✖ failed'),
}

export class Screen {
  #drawn = 0
  #phases = new Map<string, string>()
  #title = ''

  show(view: View): void {
    if (isTerminal) this.#redraw(view)
    else this.#report(view)
  }

  /** A line that stays. */
  say(text: string): void {
    this.#drawn = 0
    process.stdout.write(`${text}\n`)
  }

  #redraw(view: View): void {
    const columns = process.stdout.columns || 80
    const lines = [paint('bold', view.title), ...table(view)].map((line) => cutStyled(line, columns))
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A\u001b[J` : ''
    // Without wrapping the cursor goes up as many lines as were drawn, also where the terminal has just
    // become narrower.
    process.stdout.write(`\u001b[?7l${up}${lines.join('\n')}\n\u001b[?7h`)
    this.#drawn = lines.length
  }

  #report(view: View): void {
    if (view.title !== this.#title) this.say(view.title)
    this.#title = view.title
    for (const node of view.nodes) {
      const now = `${node.className} ${node.version} ${node.phase}`
      if (this.#phases.get(node.id) === now) continue
      this.#phases.set(node.id, now)
      this.say(
        `  ${node.id}  ${node.className.padEnd(9)} version ${node.version}  ${padded(marks[node.phase], 14)}  ${node.answers}`,
      )
      if (node.pause) this.say(`      ${node.pause}`)
    }
  }
}

function table({ nodes, clients }: View): string[] {
  const width = Math.max(...nodes.map(({ id }) => id.length), ...clients.map(({ name }) => name.length))
  return [
    '',
    ...nodes.flatMap(({ id, className, version, phase, answers, pause }) => [
      `  ${id.padEnd(width)}  ${className.padEnd(9)} version ${version}  ${padded(marks[phase], 15)} ${answers}`,
      ...(pause === undefined ? [] : [paint('dim', `  ${' '.repeat(width)}  ${pause}`)]),
    ]),
    '',
    ...clients.map(({ name, calls, failed, wrong }) => {
      const faults = failed + wrong === 0 ? paint('green', '0 failed, 0 wrong') : paint('red', `${failed} failed, ${wrong} wrong`)
      return `  ${name.padEnd(width)}  ${String(calls).padStart(7)} calls  ${faults}`
    }),
    '',
  ]
}
