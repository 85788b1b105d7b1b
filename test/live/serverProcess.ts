/** An upgrade server in a process of its own, so that it can be killed. */
import { startUpgradeServer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'

const { system, natsUrl, redisUrl } = JSON.parse(process.env.SERVER_ORDER!) as Record<'system' | 'natsUrl' | 'redisUrl', string>

await startUpgradeServer({ system, transport: nats(natsUrl), udb: redis(redisUrl) })
process.send?.('ready')
process.on('disconnect', () => process.exit(0))
