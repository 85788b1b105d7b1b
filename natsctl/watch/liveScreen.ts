/**
 * Ties it together: what is heard and what is pressed changes the picture, and the picture is drawn, at most
 * some times a second.
 */
import type { Operator } from 'theseus-actors'
import { hasColour, oneLine } from '../output/output.js'
import { historyPhasesMax, type NodeHistory } from './historyScreen.js'
import type { Key } from './keys.js'
import { Rates } from './rates.js'
import type { RolloutSnapshot } from './rolloutSnapshots.js'
import { drawScreen } from './screen.js'
import { type Effect, handleKey, initialScreenState, type ScreenState, type WatchOrder } from './screenState.js'
import { Terminal } from './terminal.js'
import { type WatchedRollout, watchedRolloutOf } from './watchedRollout.js'
import { sendWatchOrder } from './watchOrders.js'

/** Two drawings are at least so far apart. */
const drawMs = 50
/** Ages and rates go on though nothing else is heard. */
const tickMs = 1_000
/** The result of an order is read by then. */
const messageMs = 10_000

export class LiveScreen {
  readonly #rates = new Rates()
  readonly #terminal = new Terminal({
    key: (key) => this.#press(key),
    changed: () => this.#drawSoon(),
    ended: () => this.quit(),
  })
  #watched: WatchedRollout | undefined
  #state: ScreenState = initialScreenState
  #history: NodeHistory | undefined
  #warning = ''
  #page = 1
  #drawnAt = Number.NEGATIVE_INFINITY
  #drawing: NodeJS.Timeout | undefined
  #ticking: NodeJS.Timeout | undefined
  #stopLooking: () => void = () => {}
  #closeHistory: () => void = () => {}

  /** @param quit somebody wants no more of it */
  constructor(
    private readonly operator: Operator,
    private readonly system: string,
    private readonly quit: () => void,
    /** Ends the watch with an error that nobody expected. */
    private readonly fail: (error: unknown) => void,
  ) {}

  open(): void {
    this.#terminal.open()
    this.#stopLooking = this.operator.look(
      ({ hostId, figures }) =>
        this.#guarded(() => {
          for (const told of figures) this.#rates.hear(hostId, told, Date.now())
        }),
      { types: [], figures: true },
    )
    this.#ticking = setInterval(() => this.#drawSoon(), tickMs)
    this.#drawSoon()
  }

  see({ rows, known }: RolloutSnapshot): void {
    this.#watched = watchedRolloutOf(this.system, rows, known, Date.now())
    this.#warning = ''
    this.#drawSoon()
  }

  /** Something is wrong, until there is something to see again. */
  readonly warn = (line: string): void => {
    this.#warning = oneLine(line)
    this.#drawSoon()
  }

  close(): void {
    this.#terminal.close()
    clearTimeout(this.#drawing)
    clearInterval(this.#ticking)
    this.#closeHistory()
    this.#stopLooking()
  }

  #press(key: Key): void {
    this.#guarded(() => {
      const { state, effect } = handleKey(this.#state, key, this.#watched, this.#page)
      this.#state = state
      if (effect !== undefined) this.#carry(effect)
      this.#drawSoon()
    })
  }

  #carry(effect: Effect): void {
    switch (effect.type) {
      case 'quit':
        this.quit()
        return
      case 'suspend':
        this.#terminal.suspend()
        return
      case 'redraw':
        this.#terminal.redraw()
        return
      case 'order':
        void this.#order(effect.order)
        return
      case 'openHistory':
        this.#openHistory(effect.nodeId)
        return
      case 'closeHistory':
        this.#closeHistory()
        return
    }
  }

  async #order(order: WatchOrder): Promise<void> {
    this.#state = { ...this.#state, message: { text: `${order.kind} …`, isFault: false } }
    try {
      const message = await sendWatchOrder(this.operator, this.system, order)
      this.#state = { ...this.#state, message }
      this.#drawSoon()
      setTimeout(() => this.#forget(message), messageMs).unref()
    } catch (error) {
      this.fail(error)
    }
  }

  #forget(message: ScreenState['message']): void {
    if (this.#state.message !== message) return
    this.#state = { ...this.#state, message: undefined }
    this.#drawSoon()
  }

  #openHistory(nodeId: string): void {
    this.#history = { phases: [], since: Date.now() }
    const stop = this.operator.look(
      ({ seen }) => {
        if (this.#history === undefined) return
        const phases = [...this.#history.phases, ...seen.filter((one) => one.type === 'phase')].slice(-historyPhasesMax)
        this.#history = { ...this.#history, phases }
        this.#drawSoon()
      },
      { types: ['phase'], nodes: [nodeId] },
    )
    this.#closeHistory = () => {
      stop()
      this.#history = undefined
      this.#closeHistory = () => {}
    }
  }

  #drawSoon(): void {
    if (this.#drawing !== undefined) return
    const waitMs = this.#drawnAt + drawMs - performance.now()
    if (waitMs <= 0) this.#draw()
    else this.#drawing = setTimeout(() => this.#draw(), waitMs)
  }

  #draw(): void {
    clearTimeout(this.#drawing)
    this.#drawing = undefined
    this.#drawnAt = performance.now()
    this.#guarded(() => {
      const now = Date.now()
      const { lines, page, top, historyTop } = drawScreen(
        {
          system: this.system,
          watched: this.#watched,
          rates: this.#rates.at(now),
          limits: this.#rates,
          state: this.#state,
          history: this.#history,
          warning: this.#warning,
          now,
        },
        { ...this.#terminal.size, colour: hasColour() },
      )
      this.#page = page
      const { mode } = this.#state
      this.#state = { ...this.#state, top, mode: mode.type === 'history' ? { ...mode, top: historyTop } : mode }
      this.#terminal.show(lines)
    })
  }

  /** An act that a timer or a key calls has nobody to throw to. */
  #guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.fail(error)
    }
  }
}
