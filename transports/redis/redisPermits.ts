/** The permits under a service's limit in Redis: who may upgrade now. */
import type { Going } from '../../core/control/control.js'
import type { Session } from '../../core/control/standing.js'
import type { PermitAnswer } from '../../core/control/upgradeDatabase.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { RedisConnection } from './redisConnection.js'
import { controlOf } from './redisControls.js'
import type { RedisKeys } from './redisKeys.js'
import { argumentsOf } from './redisRegistrations.js'

/** How the claim script is told that a part of a limit is not given. */
const unlimited = -1

export class RedisPermits {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Pick<RedisKeys, 'nodes' | 'controls'>,
  ) {}

  async claim(
    service: string,
    { nodeId, version, isUndo, passes }: Going,
    { nodes, percent }: ServiceLimit,
    by?: Session,
  ): Promise<PermitAnswer> {
    const limits = [nodes ?? unlimited, percent ?? unlimited]
    const going = [nodeId, version, isUndo ? 1 : 0]
    const { nodes: keys, controls } = this.keys
    const answer = await this.redis.run(
      'theseusClaim',
      keys,
      controls,
      service,
      ...going,
      ...limits,
      passes ?? '',
      ...argumentsOf(by),
    )
    const [claimed, ...rest] = answer as [number, ...string[]]
    if (claimed === 1) return { claimed: true }
    if (claimed === 0) return { claimed: false, heldBy: rest }
    if (claimed === 3) return { claimed: false, onProbation: true }
    if (claimed === 4) return { claimed: false, isElsewhere: true }
    // A control that can't be read holds all the same.
    const control = controlOf(rest[0]!)
    return control === undefined ? { claimed: false, heldBy: [] } : { claimed: false, control }
  }

  async release(service: string, nodeId: string, by?: Session): Promise<void> {
    await this.redis.run('theseusReleaseSlot', this.keys.nodes, service, nodeId, ...argumentsOf(by))
  }

  async restore(service: string, nodeId: string, by?: Session): Promise<boolean> {
    return (await this.redis.run('theseusRestoreSlot', this.keys.nodes, service, nodeId, ...argumentsOf(by))) === 1
  }
}
