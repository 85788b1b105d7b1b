import { afterMyServers, defineUpgrade, futureSO, gradually, notNeeded, pastSO, upgradeClass } from 'theseus-actors'
import { PilotV1, PilotV2 } from '../pilot.js'
import { StationV1, StationV2 } from '../station.js'

/** Today's weather is the old object's; tomorrow's is independent of it and kept here. */
const tomorrowAhead = futureSO({
  simulates: StationV2,
  over: StationV1,
  initial: () => ({ tomorrow: StationV2.initial().tomorrow }),
  methods: {
    async announce(day, weather) {
      if (day === 'today') await this.next.announce(weather)
      else this.state.tomorrow = weather
    },
    forecast(day) {
      return day === 'today' ? this.next.forecast() : this.state.tomorrow
    },
  },
})

/** Pilots of version 0 go on calling this until the last station has upgraded. */
const todayOnly = pastSO({
  simulates: StationV1,
  over: StationV2,
  methods: {
    async announce(weather) {
      await this.next.announce('today', weather)
    },
    forecast() {
      return this.next.forecast('today')
    },
  },
})

export default defineUpgrade({
  title: 'Stations announce tomorrow’s weather, and pilots read it',
  classUpgrades: [
    upgradeClass({
      oldClass: StationV1,
      newClass: StationV2,
      futureSO: tomorrowAhead,
      pastSO: todayOnly,
      transform: (old, future) => ({ today: old.weather, tomorrow: future.tomorrow }),
      schedule: gradually({ every: '50ms', probability: 0.4 }),
    }),
    upgradeClass({
      oldClass: PilotV1,
      newClass: PilotV2,
      futureSO: notNeeded, // the same type
      pastSO: notNeeded,
      transform: (old) => ({ log: old.log }),
      changes: { log: 'tells of tomorrow too' },
      schedule: afterMyServers('station'),
    }),
  ],
})
