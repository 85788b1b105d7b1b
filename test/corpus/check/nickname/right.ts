import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { ProfileV1 } from './v1.js'

class ProfileV2 extends NodeObject<{ nickname: string; wasAsked: boolean }> {
  static override readonly className = 'Profile.v2'
  static override initial() {
    return { nickname: '', wasAsked: false }
  }
  @command choose(nickname: string): void {
    this.state.nickname = nickname
    this.state.wasAsked = true
  }
  @query nickname(): string | null {
    return this.state.wasAsked ? this.state.nickname : null
  }
}

export default defineUpgrade({
  title: 'Nicknames are texts',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ProfileV1, newClass: ProfileV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ nickname }) => ({ nickname: nickname ?? '', wasAsked: nickname !== null }),
      schedule: eagerly(),
    }),
  ],
})
