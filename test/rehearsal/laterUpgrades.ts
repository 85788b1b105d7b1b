/**
 * Second upgrades of the samples that have one only, each with its mapping functions: for
 * chains of three versions.
 */
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, pastSO, query, upgradeClass } from 'theseus-actors'
import { mapping } from '../../rehearsal/criteria.js'
import { Cache } from '../../samples/03-archive-cache/cache.js'
import { type Entry, ReplicaV2 } from '../../samples/04-replica-group/replica.js'
import { type Day, StationV2 } from '../../samples/05-clients-after-servers/station.js'
import { hundredths, SensorV2 } from '../../samples/06-sensor-field/sensor.js'

/** 03: the cache can say how many items it has, and forget them all. */
export class CountedCache extends NodeObject<object, { items: true }> {
  static override readonly className = 'Cache.v2'
  static override readonly service = 'set'

  @command add(item: string): void {
    this.collection('items').put(item, true)
  }

  @query has(item: string): boolean {
    return this.collection('items').has(item)
  }

  @command remove(item: string): void {
    this.collection('items').delete(item)
  }

  @query count(): number {
    return [...this.collection('items').entries()].length
  }
}

export const counted = defineUpgrade({
  title: 'Items are counted',
  classUpgrades: [
    upgradeClass({
      oldClass: Cache,
      newClass: CountedCache,
      futureSO: futureSO({
        simulates: CountedCache,
        over: Cache,
        delegates: ['add', 'has', 'remove'],
        refuses: ['count'], // a cache can't be listed
        methods: {},
      }),
      pastSO: notNeeded,
      transform: async (_old, _future, collections) => {
        await collections.carry('items')
        return {}
      },
      schedule: eagerly(),
    }),
  ],
})

const items = { items: (old: (name: 'items') => { entries(): Iterable<readonly [string, unknown]> }) => old('items').entries() }
export const toCounted = mapping({
  from: Cache,
  to: CountedCache,
  state: () => ({}),
  collections: items,
  dependent: ['has', 'count'],
})
export const fromCounted = mapping({
  from: CountedCache,
  to: Cache,
  state: () => ({}),
  collections: items,
  dependent: ['has'],
})

/** 04: a replica's own notes on the entries. They are not told to the others. */
export interface NotedEntry extends Entry {
  readonly note: string
}

export class ReplicaV3 extends NodeObject<{ entries: Record<string, Entry>; notes: Record<string, string> }> {
  static override readonly className = 'Replica.v3'
  static override initial() {
    return { entries: {}, notes: {} }
  }

  @command put(key: string, value: string): void {
    this.told(key, value)
    for (const other of ['r1', 'r2', 'r3']) if (other !== this.nodeId) this.sender(ReplicaV3, other).told(key, value)
  }

  @command told(key: string, value: string): void {
    this.state.entries[key] = { value, bytes: Buffer.byteLength(value) }
  }

  @query get(key: string): string | null {
    return this.state.entries[key]?.value ?? null
  }

  @query entries(): Record<string, NotedEntry> {
    return Object.fromEntries(
      Object.entries(this.state.entries).map(([key, entry]) => [key, { ...entry, note: this.state.notes[key] ?? '' }]),
    )
  }

  @command note(key: string, text: string): void {
    this.state.notes[key] = text
  }
}

export const noted = defineUpgrade({
  title: 'Entries have notes',
  classUpgrades: [
    upgradeClass({
      oldClass: ReplicaV2,
      newClass: ReplicaV3,
      futureSO: futureSO({
        simulates: ReplicaV3,
        over: ReplicaV2,
        initial: (): { notes: Record<string, string> } => ({ notes: {} }),
        delegates: ['put', 'told', 'get'],
        methods: {
          async entries() {
            const entries = Object.entries(await this.next.entries())
            return Object.fromEntries(entries.map(([key, entry]) => [key, { ...entry, note: this.state.notes[key] ?? '' }]))
          },
          note(key, text) {
            this.state.notes[key] = text
          },
        },
      }),
      pastSO: pastSO({
        simulates: ReplicaV2,
        over: ReplicaV3,
        delegates: ['put', 'told', 'get'],
        methods: {
          async entries() {
            const entries = Object.entries(await this.next.entries())
            return Object.fromEntries(entries.map(([key, { value, bytes }]) => [key, { value, bytes }]))
          },
        },
      }),
      transform: ({ entries }, { notes }) => ({ entries: entries ?? {}, notes }),
      schedule: eagerly(),
    }),
  ],
})

export const toNoted = mapping({
  from: ReplicaV2,
  to: ReplicaV3,
  state: ({ entries }) => ({ entries: entries ?? {}, notes: {} }),
  dependent: ['get'],
})
export const fromNoted = mapping({
  from: ReplicaV3,
  to: ReplicaV2,
  state: ({ entries }) => ({ entries }),
  dependent: ['get', 'entries'],
})

/**
 * 05: stations look further ahead. Every day that version 1 knows is known still, so its pilots
 * go on as they are.
 */
export type Further = Day | 'later'

export class StationV3 extends NodeObject<Record<Further, string>> {
  static override readonly className = 'Station.v3'
  static override initial() {
    return { ...StationV2.initial(), later: 'unknown' }
  }

  @command announce(day: Further, weather: string): void {
    this.state[day] = weather
  }

  @query forecast(day: Further): string {
    return this.state[day]
  }
}

export const further = defineUpgrade({
  title: 'Stations look further ahead',
  classUpgrades: [
    upgradeClass({
      oldClass: StationV2,
      newClass: StationV3,
      futureSO: futureSO({
        simulates: StationV3,
        over: StationV2,
        initial: () => ({ later: StationV3.initial().later }),
        methods: {
          async announce(day, weather) {
            if (day === 'later') this.state.later = weather
            else await this.next.announce(day, weather)
          },
          forecast(day) {
            return day === 'later' ? this.state.later : this.next.forecast(day)
          },
        },
      }),
      pastSO: pastSO({
        simulates: StationV2,
        over: StationV3,
        methods: {
          async announce(day, weather) {
            await this.next.announce(day, weather)
          },
          forecast(day) {
            return this.next.forecast(day)
          },
        },
      }),
      transform: ({ today, tomorrow }, { later }) => ({ today, tomorrow, later }),
      schedule: eagerly(),
    }),
  ],
})

export const toFurther = mapping({
  from: StationV2,
  to: StationV3,
  state: (old) => ({ ...StationV3.initial(), ...old }),
  dependent: (method, [day]) => method === 'forecast' && day !== 'later',
})
export const fromFurther = mapping({
  from: StationV3,
  to: StationV2,
  state: ({ today, tomorrow }) => ({ today, tomorrow }),
  dependent: ['forecast'],
})

/** 06: sensors are told what they measure in kelvin, and have a name. */
export class SensorV3 extends NodeObject<{ kelvin: number; name: string }> {
  static override readonly className = 'Sensor.v3'
  static override initial() {
    return { ...SensorV2.initial(), name: '' }
  }

  @command measured(kelvin: number): void {
    this.state.kelvin = hundredths(kelvin)
  }

  @query kelvin(): number {
    return this.state.kelvin
  }

  @command call(name: string): void {
    this.state.name = name
  }

  @query name(): string {
    return this.state.name
  }
}

export const named = defineUpgrade({
  title: 'Sensors have names',
  classUpgrades: [
    upgradeClass({
      oldClass: SensorV2,
      newClass: SensorV3,
      futureSO: futureSO({
        simulates: SensorV3,
        over: SensorV2,
        initial: () => ({ name: '' }),
        delegates: ['kelvin'],
        methods: {
          async measured(kelvin) {
            await this.next.measured(kelvin - 273.15)
          },
          call(name) {
            this.state.name = name
          },
          name() {
            return this.state.name
          },
        },
      }),
      pastSO: pastSO({
        simulates: SensorV2,
        over: SensorV3,
        delegates: ['kelvin'],
        methods: {
          async measured(celsius) {
            await this.next.measured(hundredths(celsius) + 273.15)
          },
          async celsius() {
            return hundredths((await this.next.kelvin()) - 273.15)
          },
        },
      }),
      transform: ({ kelvin }, { name }) => ({ kelvin, name }),
      schedule: eagerly(),
    }),
  ],
})

export const toNamed = mapping({
  from: SensorV2,
  to: SensorV3,
  state: ({ kelvin }) => ({ kelvin, name: '' }),
  dependent: ['kelvin'],
})
export const fromNamed = mapping({
  from: SensorV3,
  to: SensorV2,
  state: ({ kelvin }) => ({ kelvin }),
  dependent: ['kelvin', 'celsius'],
})
