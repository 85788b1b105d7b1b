/**
 * The nodes of the benches about upgrades: a root of one number, or beside it as many readings as wanted,
 * which the upgrade rewrites.
 */
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  gradually,
  NodeObject,
  pastSO,
  query,
  type Upgrade,
  upgradeClass,
} from 'theseus-actors'

const zeroCelsius = 273.15

export interface Reading {
  readonly at: number
  readonly celsius: number
  readonly by: string
}

export interface KelvinReading {
  readonly at: number
  readonly kelvin: number
  readonly by: string
}

function toKelvin(celsius: number): number {
  return Math.round((celsius + zeroCelsius) * 100) / 100
}

function toCelsius(kelvin: number): number {
  return Math.round((kelvin - zeroCelsius) * 100) / 100
}

export class MeterV1 extends NodeObject<{ celsius: number }, { readings: Reading }> {
  static override readonly className = 'Meter.v1'
  static override initial() {
    return { celsius: 20 }
  }

  @command measured(celsius: number): void {
    this.state.celsius = celsius
  }

  @command measuredAt(key: string, celsius: number): void {
    this.collection('readings').put(key, { at: this.now(), celsius, by: this.nodeId })
  }

  @command filled(from: number, to: number): void {
    for (let n = from; n < to; n++)
      this.collection('readings').put(readingKey(n), { at: 1_763_800_000_000 + n, celsius: n % 40, by: 'a meter on a wall' })
  }

  @query celsius(): number {
    return this.state.celsius
  }

  @query celsiusAt(key: string): number | null {
    return this.collection('readings').get(key)?.celsius ?? null
  }
}

/** Measures in kelvin. */
export class MeterV2 extends NodeObject<{ kelvin: number }, { readings: KelvinReading }> {
  static override readonly className = 'Meter.v2'
  static override initial() {
    return { kelvin: toKelvin(20) }
  }

  @command measured(celsius: number): void {
    this.state.kelvin = toKelvin(celsius)
  }

  @command measuredAt(key: string, celsius: number): void {
    this.collection('readings').put(key, { at: this.now(), kelvin: toKelvin(celsius), by: this.nodeId })
  }

  @query kelvin(): number {
    return this.state.kelvin
  }

  @query kelvinAt(key: string): number | null {
    return this.collection('readings').get(key)?.kelvin ?? null
  }
}

function inKelvin({ at, celsius, by }: Reading): KelvinReading {
  return { at, kelvin: toKelvin(celsius), by }
}

export function readingKey(n: number): string {
  return String(n).padStart(9, '0')
}

const kelvinAhead = futureSO({
  simulates: MeterV2,
  over: MeterV1,
  delegates: ['measured', 'measuredAt'],
  methods: {
    async kelvin() {
      return toKelvin(await this.next.celsius())
    },
    async kelvinAt(key) {
      const celsius = await this.next.celsiusAt(key)
      return celsius === null ? null : toKelvin(celsius)
    },
  },
})

const celsiusBehind = pastSO({
  simulates: MeterV1,
  over: MeterV2,
  delegates: ['measured', 'measuredAt'],
  refuses: ['filled'],
  methods: {
    async celsius() {
      return toCelsius(await this.next.kelvin())
    },
    async celsiusAt(key) {
      const kelvin = await this.next.kelvinAt(key)
      return kelvin === null ? null : toCelsius(kelvin)
    },
  },
})

/** When a node goes: at once, or a fifth of them in each three seconds, or a third in each third of one. */
export const schedules = {
  eagerly: eagerly(),
  gradually: gradually({ every: '3s', probability: 0.2 }),
  quickly: gradually({ every: '300ms', probability: 0.3 }),
} as const

/**
 * How the records of a collection come into the new version's state: before the flip, or when they are asked
 * for and in passing (§8).
 */
export const ways = ['eager', 'lazy'] as const
export type Way = (typeof ways)[number]

export function metersMeasureInKelvin(when: keyof typeof schedules): Upgrade {
  return upgradeOf(when, 'eager')
}

export function readingsBecomeKelvin(way: Way): Upgrade {
  return upgradeOf('eagerly', way)
}

function upgradeOf(when: keyof typeof schedules, way: Way): Upgrade {
  return defineUpgrade({
    title: `Meters measure in kelvin (${way})`,
    classUpgrades: [
      upgradeClass({
        oldClass: MeterV1,
        newClass: MeterV2,
        futureSO: kelvinAhead,
        pastSO: celsiusBehind,
        transform: async (old, _future, collections) => {
          if (way === 'lazy') return { kelvin: toKelvin(old.celsius) }
          for (const [key, reading] of collections.old('readings').entries()) {
            collections.next('readings').put(key, inKelvin(reading))
            await collections.flushed()
          }
          return { kelvin: toKelvin(old.celsius) }
        },
        ...(way === 'lazy' ? { records: { readings: (reading: Reading | undefined) => reading && inKelvin(reading) } } : {}),
        schedule: schedules[when],
      }),
    ],
  })
}
