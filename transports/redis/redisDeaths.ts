/** The versions that are dead, or final, in Redis. */
import { Fault } from '../../core/base/fault.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import { checkDeath, type Death, nothingDead } from '../../core/control/upgradeDatabase.js'
import type { RedisConnection } from './redisConnection.js'
import type { RedisKeys } from './redisKeys.js'

export class RedisDeaths {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Pick<RedisKeys, 'nodes' | 'dead' | 'head' | 'final'>,
  ) {}

  async dead(): Promise<Death> {
    const { nodes, dead } = this.keys
    return this.#deathOf(await this.redis.read(['theseusDead', 'theseusReadDead'], nodes, [dead], [...nodes, dead]))
  }

  async declareDead(below: Version, delayMs: number): Promise<Death> {
    checkDeath(below, delayMs)
    const { nodes, dead } = this.keys
    return this.#deathOf(await this.redis.run('theseusDeclareDead', [...nodes, dead], below, delayMs))
  }

  async restoreEnded({ dead, final }: { readonly dead: Version; readonly final: Version }): Promise<void> {
    checkDeath(dead, 0)
    checkDeath(final, 0)
    const { nodes, head } = this.keys
    const keys = [...nodes, this.keys.dead, head, this.keys.final]
    await this.redis.run('theseusGiveBack', keys, dead, final)
  }

  async finalized(): Promise<Version> {
    return this.#finalOf((await this.redis.call((client) => client.get(this.keys.final))) ?? '0')
  }

  async finalize(version: Version): Promise<Version> {
    checkDeath(version, 0)
    const { nodes, head, final } = this.keys
    return this.#finalOf(await this.redis.run('theseusFinalize', [...nodes, head, final], version))
  }

  #finalOf(text: unknown): Version {
    const version = Number(text)
    // Nothing final in its place would let somebody go back to what has been dropped.
    if (!isVersion(version)) throw new Fault('upgrade.invalid', `Redis key ${this.keys.final} holds no version`)
    return version
  }

  #deathOf(answer: unknown): Death {
    const [belowText, sinceText, beforeText, inForceText, nowText] = answer as readonly (string | null)[]
    if (belowText === null && sinceText === null) return nothingDead
    const [below, sinceMs, before] = [belowText, sinceText, beforeText].map((text) => Number(text ?? Number.NaN))
    // Nothing dead in its place would take a death back.
    if (!isVersion(below) || !isVersion(before) || !Number.isSafeInteger(sinceMs))
      throw new Fault('upgrade.invalid', `Redis key ${this.keys.dead} holds no versions and moment of a death`)
    const byTime = Number(nowText) >= sinceMs! ? below : before
    return { below, sinceMs: sinceMs!, inForce: inForceText === null ? byTime : Math.min(Number(inForceText), below) }
  }
}
