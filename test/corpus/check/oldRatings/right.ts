import { defineUpgrade, eagerly, futureSO, pastSO, upgradeClass } from 'theseus-actors'
import { HotelV1, HotelV2 } from './v1.js'

const ahead = futureSO({
  simulates: HotelV2,
  over: HotelV1,
  initial: () => ({ reviews: [] as string[] }),
  methods: {
    review(text) {
      this.state.reviews.push(text)
    },
    reviews() {
      return this.state.reviews
    },
  },
})

const still = pastSO({
  simulates: HotelV1,
  over: HotelV2,
  initial: ({ grades }) => ({ grades }),
  methods: {
    grade(points) {
      this.state.grades.push(points)
    },
    grades() {
      return this.state.grades
    },
  },
})

export default defineUpgrade({
  title: 'Guests write texts',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: HotelV1, newClass: HotelV2, futureSO: ahead, pastSO: still },
      transform: (_old, { reviews }) => ({ reviews }),
      schedule: eagerly(),
    }),
  ],
})
