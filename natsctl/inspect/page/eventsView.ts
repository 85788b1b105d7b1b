/// <reference lib="dom" />
/**
 * The events of the chosen node's upgrade manager, line by line. Choosing a line shows the statechart as it
 * was then; the last one follows what happens.
 */
import type { StatechartDescription, StatechartSeen } from 'theseus-actors/operator'
import { element, setAttributes, setText } from './dom.js'
import { eventTextOf, isShown } from './eventFormat.js'
import { spanLabel } from './timeScale.js'

const linesMax = 300

export class EventsView {
  readonly element: HTMLElement
  readonly #list = element('ol', { class: 'events', role: 'listbox', tabindex: 0, 'aria-label': 'Events of the upgrade manager' })
  readonly #all = element('input', { type: 'checkbox', id: 'all-events' })
  readonly #earlier = element('p', { class: 'quiet small' })
  #events: readonly StatechartSeen[] = []
  /** Indices into the events, of the lines that are shown. */
  #lines: readonly number[] = []
  #shown = -1
  /** Undefined: the newest, whatever comes. */
  #chosen: number | undefined

  constructor(
    private readonly statechart: StatechartDescription,
    private readonly changed: () => void,
  ) {
    const label = element('label', { class: 'check' }, this.#all, ' all that XState tells')
    this.element = element(
      'section',
      { class: 'part events-part' },
      element('h3', {}, 'Events'),
      label,
      this.#earlier,
      this.#list,
    )
    this.#all.addEventListener('change', () => this.#draw())
    this.#list.addEventListener('click', (event) => {
      const line = (event.target as Element).closest<HTMLElement>('[data-index]')
      if (line !== null) this.#choose(Number(line.dataset.index))
    })
    this.#list.addEventListener('keydown', (event) => {
      const to = this.#lineAfter(event.key)
      if (to === undefined) return
      event.preventDefault()
      event.stopPropagation()
      this.#choose(this.#lines[to]!)
    })
  }

  /** How many of the events have happened, at the chosen line. */
  get upTo(): number {
    return this.#chosen === undefined ? this.#events.length : this.#chosen + 1
  }

  get isFollowing(): boolean {
    return this.#chosen === undefined
  }

  show(events: readonly StatechartSeen[], isAnotherNode: boolean): void {
    if (isAnotherNode) this.#chosen = undefined
    if (!isAnotherNode && this.#events === events && this.#shown === events.length) return
    this.#events = events
    this.#draw()
  }

  follow(): void {
    this.#chosen = undefined
    this.#mark()
    this.changed()
  }

  #draw(): void {
    const events = this.#events
    this.#shown = events.length
    const told = events.flatMap((event, i) => (this.#all.checked || isShown(event) ? [i] : []))
    this.#lines = told.slice(-linesMax)
    setText(this.#earlier, told.length > linesMax ? `${told.length - linesMax} earlier ones are not shown` : '')
    const begin = events[this.#lines[0] ?? 0]?.at ?? 0
    this.#list.replaceChildren(...this.#lines.map((index) => this.#line(index, begin)))
    if (this.#lines.length === 0)
      this.#list.append(element('li', { class: 'quiet', role: 'presentation' }, 'nothing yet: only its phases are known'))
    this.#mark()
  }

  #line(index: number, begin: number): HTMLElement {
    const seen = this.#events[index]!
    const { kind, text, detail } = eventTextOf(this.statechart, seen)
    return element(
      'li',
      { role: 'option', id: `event-${index}`, 'data-index': index, class: `event ${kind}` },
      element('span', { class: 'at' }, seen.at === begin ? '0' : `+${spanLabel(seen.at - begin)}`),
      element('span', { class: 'unseen' }, kind),
      element('span', { class: 'text' }, text, detail === '' ? '' : element('span', { class: 'quiet' }, ` ${detail}`)),
    )
  }

  #choose(index: number): void {
    this.#chosen = index === this.#lines.at(-1) ? undefined : index
    this.#mark()
    this.changed()
  }

  #mark(): void {
    const chosen = this.#chosen ?? this.#lines.at(-1)
    for (const line of this.#list.querySelectorAll('[data-index]'))
      setAttributes(line, { 'aria-selected': String(Number((line as HTMLElement).dataset.index) === chosen) })
    setAttributes(this.#list, { 'aria-activedescendant': chosen === undefined ? undefined : `event-${chosen}` })
    // Within the list only: the page does not move by itself.
    const line = this.#list.querySelector<HTMLElement>(`#event-${chosen}`)
    if (line === null) return
    const { scrollTop, clientHeight } = this.#list
    const top = line.offsetTop
    if (top < scrollTop) this.#list.scrollTop = top
    else if (top + line.offsetHeight > scrollTop + clientHeight) this.#list.scrollTop = top + line.offsetHeight - clientHeight
  }

  #lineAfter(key: string): number | undefined {
    const last = this.#lines.length - 1
    if (last < 0) return undefined
    const at = this.#chosen === undefined ? last : this.#lines.indexOf(this.#chosen)
    switch (key) {
      case 'ArrowDown':
        return Math.min(last, at + 1)
      case 'ArrowUp':
        return Math.max(0, at - 1)
      case 'PageDown':
        return Math.min(last, at + 10)
      case 'PageUp':
        return Math.max(0, at - 10)
      case 'Home':
        return 0
      case 'End':
        return last
      default:
        return undefined
    }
  }
}
