/**
 * A line of classes for the tests: three versions with dependent and independent state on both sides (§7),
 * and the upgrades between them.
 */
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  none,
  pastSO,
  query,
  type Schedule,
  type Upgrade,
  upgradeClass,
} from '../../index.js'
import type { Gate } from '../support/testSystem.js'

/** The gates that the methods of a test's objects wait for, by name. */
export const gates = new Map<string, Gate>()

/** Notes have a mood, which version 1 forgets: the independent state of version 0. */
export class NotesV1 extends NodeObject<{ notes: string[]; mood: string }, { shelf: string }> {
  static override readonly className: string = 'Notes.v1'
  static override initial() {
    return { notes: [] as string[], mood: 'calm' }
  }

  @command add(text: string): number {
    return this.state.notes.push(text)
  }

  @query all(): string[] {
    return this.state.notes
  }

  @command put(key: string, value: string): void {
    this.collection('shelf').put(key, value)
  }

  @query shelf(): (readonly [string, string])[] {
    return [...this.collection('shelf').entries()]
  }

  @command async addSlowly(text: string, gate: string): Promise<number> {
    this.state.notes.push(`${text}…`)
    await gates.get(gate)!.pass()
    return this.state.notes.push(text)
  }

  @command setMood(mood: string): void {
    this.state.mood = mood
  }

  @query mood(): string {
    return this.state.mood
  }
}

/** Notes can have stars. */
export class NotesV2 extends NodeObject<{ notes: string[]; stars: Record<number, number> }, { shelf: string }> {
  static override readonly className: string = 'Notes.v2'
  static override initial() {
    return { notes: [] as string[], stars: {} }
  }

  @command add(text: string): number {
    return this.state.notes.push(text)
  }

  @query all(): string[] {
    return this.state.notes
  }

  @command put(key: string, value: string): void {
    this.collection('shelf').put(key, value)
  }

  @query shelf(): (readonly [string, string])[] {
    return [...this.collection('shelf').entries()]
  }

  @command async addSlowly(text: string, gate: string): Promise<number> {
    this.state.notes.push(`${text}…`)
    await gates.get(gate)!.pass()
    return this.state.notes.push(text)
  }

  @command star(note: number): number {
    return (this.state.stars[note] = (this.state.stars[note] ?? 0) + 1)
  }

  @query stars(note: number): number {
    return this.state.stars[note] ?? 0
  }
}

export interface Stars {
  stars: number
  pinned: boolean
}

/** Notes can be pinned, and `stars` says so. */
export class NotesV3 extends NodeObject<{ notes: string[]; stars: Record<number, number>; pins: number[] }, { shelf: string }> {
  static override readonly className: string = 'Notes.v3'
  static override initial() {
    return { notes: [] as string[], stars: {}, pins: [] as number[] }
  }

  @command add(text: string): number {
    return this.state.notes.push(text)
  }

  @query all(): string[] {
    return this.state.notes
  }

  @command put(key: string, value: string): void {
    this.collection('shelf').put(key, value)
  }

  @query shelf(): (readonly [string, string])[] {
    return [...this.collection('shelf').entries()]
  }

  @command async addSlowly(text: string, gate: string): Promise<number> {
    this.state.notes.push(`${text}…`)
    await gates.get(gate)!.pass()
    return this.state.notes.push(text)
  }

  @command star(note: number): number {
    return (this.state.stars[note] = (this.state.stars[note] ?? 0) + 1)
  }

  @query stars(note: number): Stars {
    return { stars: this.state.stars[note] ?? 0, pinned: this.state.pins.includes(note) }
  }

  @command pin(note: number): void {
    this.state.pins.push(note)
  }
}

export interface UpgradeParts {
  readonly title?: string
  readonly schedule?: Schedule
  readonly newClass?: typeof NotesV2
  readonly oldClass?: typeof NotesV1
  readonly beforeTransform?: () => unknown
  readonly beforeInverse?: () => unknown
  readonly pastInitial?: (old: { mood: string }) => { mood: string }
  readonly futureInitial?: () => { stars: Record<number, number> }
  /** Without SOs the chain ends there. */
  readonly cut?: 'past' | 'future'
  readonly drainTimeout?: number
  readonly transformTimeout?: number
  readonly startTimeout?: number
}

/** Version 0 → 1: stars come, the mood is forgotten. */
export function toV2(parts: UpgradeParts = {}): Upgrade {
  const newClass = parts.newClass ?? NotesV2
  const oldClass = parts.oldClass ?? NotesV1
  const starsAhead = futureSO({
    simulates: newClass,
    over: oldClass,
    initial: parts.futureInitial ?? ((): { stars: Record<number, number> } => ({ stars: {} })),
    delegates: ['add', 'all', 'put', 'shelf', 'addSlowly'],
    methods: {
      star(note) {
        return (this.state.stars[note] = (this.state.stars[note] ?? 0) + 1)
      },
      stars(note) {
        return this.state.stars[note] ?? 0
      },
    },
  })
  const moodBehind = pastSO({
    simulates: oldClass,
    over: newClass,
    initial: parts.pastInitial ?? ((old): { mood: string } => ({ mood: old.mood })),
    delegates: ['add', 'all', 'put', 'shelf', 'addSlowly'],
    methods: {
      setMood(mood) {
        this.state.mood = mood
      },
      mood() {
        return this.state.mood
      },
    },
  })
  return defineUpgrade({
    title: parts.title ?? 'Notes can have stars',
    classUpgrades: [
      upgradeClass({
        oldClass,
        newClass,
        futureSO: parts.cut === 'future' ? none : starsAhead,
        pastSO: parts.cut === 'past' ? none : moodBehind,
        transform: async (old, future, collections) => {
          await parts.beforeTransform?.()
          await collections.carry('shelf')
          return { notes: old.notes, stars: future.stars ?? {} }
        },
        inverse: {
          transform: async (now, past, collections) => {
            await parts.beforeInverse?.()
            await collections.carry('shelf')
            return { notes: now.notes, mood: past.mood ?? 'calm' }
          },
          future: (now) => ({ stars: now.stars }),
        },
        schedule: parts.schedule ?? eagerly(),
        ...(parts.drainTimeout === undefined ? {} : { drainTimeout: parts.drainTimeout }),
        ...(parts.transformTimeout === undefined ? {} : { transformTimeout: parts.transformTimeout }),
        ...(parts.startTimeout === undefined ? {} : { startTimeout: parts.startTimeout }),
      }),
    ],
  })
}

/** Version 1 → 2: notes can be pinned. */
export function toV3(parts: Pick<UpgradeParts, 'schedule' | 'cut'> = {}): Upgrade {
  const pinsAhead = futureSO({
    simulates: NotesV3,
    over: NotesV2,
    initial: (): { pins: number[] } => ({ pins: [] }),
    delegates: ['add', 'all', 'put', 'shelf', 'addSlowly', 'star'],
    methods: {
      async stars(note) {
        return { stars: await this.next.stars(note), pinned: this.state.pins.includes(note) }
      },
      pin(note) {
        this.state.pins.push(note)
      },
    },
  })
  const withoutPins = pastSO({
    simulates: NotesV2,
    over: NotesV3,
    delegates: ['add', 'all', 'put', 'shelf', 'addSlowly', 'star'],
    methods: {
      async stars(note) {
        return (await this.next.stars(note)).stars
      },
    },
  })
  return defineUpgrade({
    title: 'Notes can be pinned',
    classUpgrades: [
      upgradeClass({
        oldClass: NotesV2,
        newClass: NotesV3,
        futureSO: parts.cut === 'future' ? none : pinsAhead,
        pastSO: parts.cut === 'past' ? none : withoutPins,
        transform: async (old, future, collections) => {
          await collections.carry('shelf')
          return { notes: old.notes, stars: old.stars, pins: future.pins ?? [] }
        },
        inverse: {
          transform: async (now, _past, collections) => {
            await collections.carry('shelf')
            return { notes: now.notes, stars: now.stars }
          },
          future: (now) => ({ pins: now.pins }),
        },
        schedule: parts.schedule ?? eagerly(),
      }),
    ],
  })
}

export class ClockV1 extends NodeObject<{ ticks: number }> {
  static override readonly className: string = 'Ticker.v1'
  static override initial() {
    return { ticks: 0 }
  }

  @command tick(): number {
    return ++this.state.ticks
  }
}

export class ClockV2 extends ClockV1 {
  static override readonly className: string = 'Ticker.v2'
}

/** An upgrade that concerns another service. */
export function tickerUpgrade(): Upgrade {
  return defineUpgrade({
    title: 'Tickers tick better',
    classUpgrades: [
      upgradeClass({
        oldClass: ClockV1,
        newClass: ClockV2,
        futureSO: none,
        pastSO: none,
        transform: (old) => ({ ticks: old.ticks }),
        schedule: eagerly(),
      }),
    ],
  })
}
