/** Data semantics (null and empty). Found: inconsistent answer; forgotten state. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { ProfileV1 } from './v1.js'

class ProfileV2 extends NodeObject<{ nickname: string }> {
  static override readonly className = 'Profile.v2'
  static override initial() {
    return { nickname: '' }
  }
  @command choose(nickname: string): void {
    this.state.nickname = nickname
  }
  @query nickname(): string | null {
    return this.state.nickname || null
  }
}

export default defineUpgrade({
  title: 'Nicknames are texts',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ProfileV1, newClass: ProfileV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ nickname }) => ({ nickname: nickname ?? '' }),
      schedule: eagerly(),
    }),
  ],
})
