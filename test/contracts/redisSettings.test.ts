/** Where Redis is, in settings and in URLs, and who is the primary there. */
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import { hashSlot } from '../../transports/redis/hashSlot.js'
import { redis, redisUrlAddress } from '../../transports/redis/index.js'
import { placeOf, type RedisSettings } from '../../transports/redis/redisSettings.js'
import { systemClock } from '../../transports/systemClock.js'
import { freePort } from '../support/freePort.js'
import { asked } from '../support/redisFleets.js'
import { codeOfNow, refusalOf } from '../support/rejections.js'
import { startRedisSentinel, startRedisServer } from '../support/servers.js'
import { newSystem } from './databaseContract.js'

test('a URL says the same as settings do', (t) => {
  const same: readonly (readonly [url: string, settings: RedisSettings])[] = [
    [
      'redis-sentinel://ann:p%40ss@s1:26380,s2/theseus/2?sentinelUsername=bob&sentinelPassword=q%2F&waitReplicas=2',
      {
        ...{ sentinels: [{ host: 's1', port: 26_380 }, { host: 's2' }], name: 'theseus' },
        ...{ username: 'ann', password: 'p@ss', db: 2, sentinelUsername: 'bob', sentinelPassword: 'q/', waitReplicas: 2 },
      },
    ],
    [
      'rediss-sentinel://:secret@[::1]:1,[fe80::2]/m',
      {
        ...{
          sentinels: [{ host: '::1', port: 1 }, { host: 'fe80::2' }],
          name: 'm',
          password: 'secret',
          tls: {},
          sentinelTls: {},
        },
      },
    ],
    ['redis-cluster://c1,c2:7000?waitReplicas=0', { cluster: [{ host: 'c1' }, { host: 'c2', port: 7000 }], waitReplicas: 0 }],
    ['rediss-cluster://ann:x@c1/0', { cluster: [{ host: 'c1' }], username: 'ann', password: 'x', tls: {} }],
  ]
  for (const [url, settings] of same) t.deepEqual(placeOf(url), placeOf(settings), url)
  t.is(placeOf('redis-sentinel://s1/m').waitReplicas, 1)
  t.is(placeOf('redis://h').waitReplicas, 0)
  t.is(placeOf('redis://h?waitReplicas=1').waitReplicas, 1)
  t.deepEqual(placeOf('redis-sentinel://s1/m').seeds, [{ host: 's1', port: 26_379 }])
})

test('what is no place of Redis is refused, without a word of what was written', (t) => {
  const wrong = [
    ...['', 'x', 'http://secret', 'redis-sentinel://secret', 'redis-sentinel://secret/', 'redis-sentinel:///secret'],
    ...[
      'redis-sentinel://secret:x/m',
      'redis-sentinel://secret:0/m',
      'redis-sentinel://secret:70000/m',
      'redis-sentinel://s/m/secret',
    ],
    ...[
      'redis-cluster://',
      'redis-cluster://secret,',
      'redis-cluster://c/secret',
      'redis-cluster://%zz:secret@',
      'redis-cluster://%zz@c',
    ],
    ...['redis-sentinel://a:b@c:secret@h/m', 'redis-cluster://c?waitReplicas=secret', 'redis://secret?waitReplicas=17'],
    `redis-cluster://${Array.from({ length: 65 }, (_, i) => `secret${i}`)}`,
  ]
  for (const url of wrong) {
    const fault = t.throws(() => redis(url), undefined, url)
    t.true(isFault(fault) && fault.code === 'config.invalid', url)
    t.notRegex(fault!.message, /secret/)
    t.is(redisUrlAddress(url), '?')
  }
  const settings = [
    { sentinels: [], name: 'm' },
    { sentinels: [{ host: '' }], name: 'm' },
    { sentinels: [{ host: 'h', port: 1.5 }], name: 'm' },
    { sentinels: [{ host: 'h' }], name: '' },
    { sentinels: [{ host: 'h' }] },
    { cluster: [] },
    { cluster: [{ host: 'h' }], db: 1 },
    { host: 'h', waitReplicas: -1 },
  ] as RedisSettings[]
  for (const one of settings)
    t.is(
      codeOfNow(() => redis(one)),
      'config.invalid',
      JSON.stringify(one),
    )
})

test('people are shown where a URL leads, and no login', (t) => {
  const shown = {
    'redis://ann:secret@h:1/2?x=secret': 'redis://h:1/2',
    'rediss://h': 'rediss://h',
    'redis-sentinel://ann:secret@s1,s2:1/m/3?sentinelPassword=secret': 'redis-sentinel://s1:26379,s2:1/m',
    'rediss-cluster://ann:secret@c1,[::1]:7': 'rediss-cluster://c1:6379,[::1]:7',
  }
  for (const [url, address] of Object.entries(shown)) t.is(redisUrlAddress(url), address)
})

test('only what is encrypted all the way, Sentinels too, is private', (t) => {
  const isPrivate = (settings: string | RedisSettings) => redis(settings).facts!.isEncrypted
  const sentinels = [{ host: 's' }]
  t.deepEqual(['redis-sentinel://s/m', 'rediss-sentinel://s/m', 'redis-cluster://c', 'rediss-cluster://c'].map(isPrivate), [
    ...[false, true, false, true],
  ])
  t.false(isPrivate({ sentinels, name: 'm', tls: {} }))
  t.true(isPrivate({ sentinels, name: 'm', tls: {}, sentinelTls: {} }))
})

test('slots are those of the specification of Redis Cluster', (t) => {
  // The specification's own example, and those that `CLUSTER KEYSLOT` answers.
  t.deepEqual(['123456789', 'foo', 'shop', 'é'].map(hashSlot), [0x31c3, 12_182, 3808, 10_180])
})

test('a Sentinel with logins is asked with one that may do no more', async (t) => {
  const primary = await startRedisServer()
  const sentinel = await startRedisSentinel('theseus', primary, 1)
  t.teardown(() => Promise.all([primary.stop(), sentinel.stop()]))
  await asked(sentinel.port, async (client) => {
    await client.call('ACL', 'SETUSER', 'looker', 'on', '>p@ss', '-@all', '+sentinel|get-master-addr-by-name')
    await client.call('ACL', 'SETUSER', 'default', 'off')
  })
  const url = `redis-sentinel://127.0.0.1:${sentinel.port}/theseus`
  t.regex((await refusalOf(t, redis(url).open(newSystem(), systemClock))).message, /NOAUTH/)
  const database = await redis(`${url}?sentinelUsername=looker&sentinelPassword=p%40ss`).open(newSystem(), systemClock)
  t.is((await database.head()).version, 0)
  await database.close()
})

test('those who can’t say where the primary is are told of, each with its reason', async (t) => {
  const primary = await startRedisServer()
  const sentinel = await startRedisSentinel('theseus', primary, 1)
  t.teardown(() => Promise.all([primary.stop(), sentinel.stop()]))
  const nobody = await freePort()
  const opening = (url: string) => redis(url).open(newSystem(), systemClock)

  const found = await opening(`redis-sentinel://127.0.0.1:${nobody},127.0.0.1:${sentinel.port}/theseus`)
  t.is((await found.head()).version, 0)
  await found.close()
  const away = await refusalOf(t, opening(`redis-sentinel://127.0.0.1:${nobody}/theseus`))
  t.is(away.code, 'unavailable.disconnected')
  t.regex(away.message, /127\.0\.0\.1:\d+: .*ECONNREFUSED/)
  t.regex(
    (await refusalOf(t, opening(`redis-sentinel://127.0.0.1:${sentinel.port}/other`))).message,
    /knows no primary named other/,
  )
  const none = await refusalOf(t, opening(`redis-sentinel://127.0.0.1:${primary.port}/theseus`))
  t.is(none.code, 'config.invalid')
  t.regex(none.message, /refuses: 127\.0\.0\.1:\d+: ERR unknown command 'SENTINEL'/)
  const single = await refusalOf(t, opening(`redis-cluster://127.0.0.1:${primary.port}`))
  t.is(single.code, 'config.invalid')
  t.regex(single.message, /cluster support disabled/)
})
