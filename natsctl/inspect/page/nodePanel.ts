/// <reference lib="dom" />
/**
 * One node in full: why it is where it is, its chain, its upgrade manager's statechart with context and
 * guards, and its events.
 */
import type { StatechartDescription, StatechartSeen } from 'theseus-actors/operator'
import { chainView } from './chainView.js'
import { ChartView } from './chartView.js'
import { byId, element, setText } from './dom.js'
import { shortJson } from './eventFormat.js'
import { EventsView } from './eventsView.js'
import { groupOf } from './phaseGroups.js'
import { nowOf, phaseOf, type Rollout, type RolloutNode, reasonOf, whatOf } from './rollout.js'
import { possible, type StatechartState, seenByPhase, shortName, stateAfter, stateOfPhase } from './statechartState.js'
import { spanLabel } from './timeScale.js'

export class NodePanel {
  readonly #name = element('h2')
  readonly #what = element('p', { class: 'quiet' })
  readonly #why = element('p', { class: 'why' })
  readonly #chain = element('div')
  readonly #then = element('p', { class: 'then small' })
  readonly #context = element('dl', { class: 'context' })
  readonly #guards = element('ul', { class: 'guards' })
  readonly #next = element('ul', { class: 'next' })
  readonly #chart: ChartView
  readonly #events: EventsView
  #nodeId: string | undefined
  #drawn = ''

  constructor(
    private readonly statechart: StatechartDescription,
    changed: () => void,
  ) {
    this.#chart = new ChartView(statechart)
    this.#events = new EventsView(statechart, changed)
    const follow = element('button', { type: 'button', class: 'link-button' }, 'back to now')
    follow.addEventListener('click', () => this.#events.follow())
    this.#followButton = follow
    const part = (title: string, ...children: Node[]) =>
      element('section', { class: 'part' }, element('h3', {}, title), ...children)
    byId('node').replaceChildren(
      element('div', { class: 'node-head' }, this.#name, this.#what, this.#why),
      element(
        'div',
        { class: 'node-columns' },
        element('section', { class: 'part chart-part' }, element('h3', {}, 'Upgrade manager'), this.#then, this.#chart.element),
        element(
          'div',
          { class: 'node-side' },
          part('Chain', this.#chain),
          part('Context', this.#context),
          part('Last transition', this.#guards),
          part('Next', this.#next),
          this.#events.element,
        ),
      ),
    )
  }

  readonly #followButton: HTMLButtonElement

  show(rollout: Rollout, node: RolloutNode | undefined, events: readonly StatechartSeen[], now: number): void {
    byId('node').hidden = node === undefined
    if (node === undefined) return
    const isAnother = this.#nodeId !== node.nodeId
    this.#nodeId = node.nodeId
    this.#events.show(events, isAnother)
    this.#showHead(rollout, node, now)
    const { upTo } = this.#events
    const key = JSON.stringify([node.nodeId, node.chain, node.calls, phaseOf(node), events.length, upTo])
    if (key === this.#drawn) return
    this.#drawn = key
    this.#chain.replaceChildren(chainView(node))
    this.#showStatechart(stateNow(this.statechart, node, events, upTo), events, upTo, node)
  }

  #showHead(rollout: Rollout, node: RolloutNode, now: number): void {
    setText(this.#name, node.nodeId)
    setText(this.#what, whatOf(node))
    const segment = nowOf(node)
    const since = segment === undefined ? '' : ` · for ${spanLabel(Math.max(1, now - segment.at))}`
    setText(this.#why, reasonOf(rollout, node) === undefined ? `current${since}` : `${reasonOf(rollout, node)}${since}`)
    this.#why.className = `why ${groupOf(phaseOf(node))}`
  }

  #showStatechart(state: StatechartState, events: readonly StatechartSeen[], upTo: number, node: RolloutNode): void {
    const { statechart } = this
    this.#chart.light(state)
    const at = events[upTo - 1]
    if (at === undefined || state.status === seenByPhase) this.#then.replaceChildren(unseen(node))
    else if (this.#events.isFollowing) this.#then.replaceChildren(`To version ${at.target}: ${state.status}.`)
    else
      this.#then.replaceChildren(
        `To version ${at.target}, as it was after event ${upTo} of ${events.length} · `,
        this.#followButton,
      )
    const context = Object.entries((state.context ?? {}) as Record<string, unknown>)
    this.#context.replaceChildren(
      ...context.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, shortJson(value) || '–')]),
    )
    if (context.length === 0) this.#context.replaceChildren(element('dd', { class: 'quiet' }, 'not known'))
    this.#showGuards(state)
    const next = possible(statechart, state.active)
    this.#next.replaceChildren(
      ...next.map(({ on, guard, to }) => line(on, guard, to === null ? 'stays' : shortName(statechart, to))),
    )
    if (next.length === 0) this.#next.replaceChildren(element('li', { class: 'quiet' }, 'the end'))
  }

  #showGuards({ taken, guards }: StatechartState): void {
    const { statechart } = this
    const lines = taken.flatMap((id) => statechart.transitions.filter((one) => one.id === id))
    this.#guards.replaceChildren(
      ...lines.map(({ from, to, on, actions }) =>
        element(
          'li',
          {},
          element('b', {}, `${shortName(statechart, from)} → ${to === null ? 'stays' : shortName(statechart, to)}`),
          ` on ${on}`,
          actions.length === 0 ? '' : element('span', { class: 'quiet' }, ` · ${actions.join('; ')}`),
        ),
      ),
      ...guards.map(({ transition, held }) =>
        element(
          'li',
          { class: held ? 'held' : 'not-held' },
          element('code', {}, transition.guard!),
          held ? ' held' : ' did not hold',
        ),
      ),
    )
    if (lines.length === 0) this.#guards.replaceChildren(element('li', { class: 'quiet' }, 'none yet'))
  }
}

function unseen({ segments, version }: RolloutNode): string {
  const hasUpgraded = version > 0 || segments.some(({ target }) => target !== null)
  return hasUpgraded ? 'Nobody looked while it upgraded: lit by its phase alone.' : 'It has not been upgraded yet.'
}

function stateNow(
  statechart: StatechartDescription,
  node: RolloutNode,
  events: readonly StatechartSeen[],
  upTo: number,
): StatechartState {
  const state = stateAfter(statechart, events, upTo)
  const phase = phaseOf(node)
  // Of an upgrade that nobody saw, though one before it was seen.
  const isOver = upTo === events.length && state.status === 'done' && phase !== 'current'
  return isOver || state.active.length === 0 ? stateOfPhase(statechart, phase) : state
}

function line(on: string, guard: string | null, to: string): HTMLElement {
  return element(
    'li',
    {},
    on,
    guard === null ? '' : element('span', { class: 'quiet' }, ' if ', element('code', {}, guard)),
    ' → ',
    element('b', {}, to),
  )
}
