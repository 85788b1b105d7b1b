import test from 'ava'
import { type RewindOptions, rewindLimits } from '../../core/upgrade/rewindLimits.js'
import { eagerly, NodeObject, notNeeded, upgradeClass } from '../../index.js'

class V1 extends NodeObject<object> {
  static override readonly className: string = 'V.v1'
  static override readonly service: string = 'V'
  static override initial() {
    return {}
  }
}
class V2 extends V1 {
  static override readonly className: string = 'V.v2'
}

test('a rewind has bounds of time, number and bytes, and records queries unless it says otherwise', (t) => {
  t.deepEqual(rewindLimits({ for: '24h' }), { forMs: 86_400_000, operations: 1_000_000, bytes: 268_435_456, queries: true })
  t.deepEqual(rewindLimits({ for: 5, operations: 1, bytes: 2, queries: false }), {
    forMs: 5,
    operations: 1,
    bytes: 2,
    queries: false,
  })
})

test('bounds that are none are refused in one line, which says how they are written', (t) => {
  const wrong: unknown[] = [null, true, '24h', {}, { for: '1 day' }, { for: 0 }, { for: -1 }, { for: Number.NaN }]
  for (const bound of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null])
    wrong.push({ for: '1h', operations: bound }, { for: '1h', bytes: bound })
  for (const queries of ['no', 1, null]) wrong.push({ for: '1h', queries })
  for (const rewind of wrong) {
    const made = () =>
      upgradeClass({
        ...{ oldClass: V1, newClass: V2, futureSO: notNeeded, pastSO: notNeeded, schedule: eagerly() },
        transform: (old) => old,
        rewind: rewind as RewindOptions,
      })
    t.throws(made, { code: 'upgrade.invalid', message: /^rewind: use \{ for: '24h' \}; / }, JSON.stringify(rewind))
  }
})
