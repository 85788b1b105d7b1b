import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { TheatreV1, TheatreV2 } from './v1.js'

const ahead = futureSO({
  simulates: TheatreV2,
  over: TheatreV1,
  initial: () => ({ guests: {} as Record<string, string> }),
  delegates: ['sell', 'isFree'],
  methods: {
    async sellTo(seat, guest) {
      if (!(await this.next.sell(seat))) return false
      this.state.guests[seat] = guest
      return true
    },
    async guest(seat) {
      return this.state.guests[seat] ?? ((await this.next.isFree(seat)) ? null : 'nobody')
    },
  },
})

export default defineUpgrade({
  title: 'Seats are sold to somebody',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: TheatreV1, newClass: TheatreV2, futureSO: ahead, pastSO: notNeeded },
      transform: ({ sold }, { guests }) => ({
        guests: { ...Object.fromEntries(Object.keys(sold).map((seat) => [seat, 'nobody'])), ...guests },
      }),
      schedule: eagerly(),
    }),
  ],
})
