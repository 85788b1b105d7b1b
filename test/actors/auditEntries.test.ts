/** The entries that one upgrade server writes into the audit, and when; over a database in memory. */
import test from 'ava'
import { Audit, refusalEntriesMax, refusalEntryMs, refusalKindsMax, refusalsMs } from '../../actors/server/audit.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { decodeAuditEntry } from '../../core/control/audit.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { question } from '../support/askServer.js'
import { changedDatabase } from '../support/changedDatabase.js'
import { ManualClock } from './manualClock.js'

const digest = digestOf(new Uint8Array(1))

async function open(changed: (stored: UpgradeDatabase) => Partial<UpgradeDatabase> = () => ({}), observe?: HostObserver) {
  const clock = new ManualClock()
  const stored = await memoryDatabase().open('audited', clock)
  const database = changedDatabase(stored, changed(stored))
  const options = { database, clock, ...(observe === undefined ? {} : { observe }) }
  const audit = new Audit(options, () => stored.directiveLog())
  const refuse = (name: string) =>
    audit
      .of({ ...question, method: 'install', args: [] }, name, () => Promise.reject(new Fault('upgrade.signature', 'no')))
      .catch(() => {})
  /** Time passes, and what is on its way is written. */
  const after = async (ms: number) => {
    clock.advance(ms)
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  }
  const entries = async () => {
    const all = (await stored.audit(1, 1_000)).map(decodeAuditEntry)
    return all.map(({ what, times, from }) => `${what.act === 'more' ? 'more' : (from?.name ?? what.act)} ${times}`)
  }
  return { audit, clock, stored, refuse, after, entries }
}

test('refusals for which there was no entry are told of by and by, one in ten minutes, and those of further kinds last', async (t) => {
  const { audit, clock, refuse, after, entries } = await open()
  for (let i = 0; i < refusalEntriesMax; i++) {
    await refuse(`early${i}`)
    if (i % refusalKindsMax === refusalKindsMax - 1) await after(refusalsMs)
  }
  await after(refusalsMs)
  t.is((await entries()).length, refusalEntriesMax)
  t.is(clock.timers, 0, 'nothing is left to tell')
  for (let i = 0; i < refusalKindsMax + 3; i++) await refuse(`late${i}`)
  await after(refusalsMs)
  t.is((await entries()).length, refusalEntriesMax)
  const told = [...Array.from({ length: refusalKindsMax }, (_, i) => `late${i} 1`), 'more 3']
  for (let i = 1; i <= told.length; i++) {
    await after(refusalEntryMs)
    t.deepEqual((await entries()).slice(refusalEntriesMax), told.slice(0, i))
  }
  t.is(clock.timers, 0, 'nothing is left to tell')
  await after(refusalEntryMs)
  for (const name of ['again', 'once more']) await refuse(name)
  await after(refusalsMs)
  t.deepEqual((await entries()).slice(refusalEntriesMax + told.length), ['again 1'], 'and nothing is told twice')
  await after(refusalEntryMs)
  t.deepEqual((await entries()).slice(refusalEntriesMax + told.length), ['again 1', 'once more 1'])
  await audit.stop()
})

test('an entry that can’t be written holds up nothing where nobody observes', async (t) => {
  const { audit, entries } = await open((stored) => ({
    async appendAudit(newest, bytes, more) {
      if (newest.number === 0 && isAway) throw new Error('away')
      return await stored.appendAudit(newest, bytes, more)
    },
  }))
  let isAway = true
  audit.own({ act: 'teach', version: 1, digest })
  await audit.stop()
  isAway = false
  audit.own({ act: 'teach', version: 2, digest })
  await audit.stop()
  t.deepEqual(await entries(), ['teach 1'])
})

test('the newest 200 entries are looked at for the same deed of another server', async (t) => {
  for (const [newest, range] of [
    [250, [51, 250]],
    [200, [1, 200]],
    [3, [1, 3]],
  ] as const) {
    const asked: unknown[] = []
    const { audit } = await open((stored) => ({
      auditHead: async () => ({ ...(await stored.auditHead()), number: newest }),
      async audit(...of) {
        asked.push(of)
        return []
      },
      appendAudit: async () => true,
    }))
    audit.own({ act: 'death', below: 1, sinceMs: 1 })
    await audit.stop()
    t.deepEqual(asked, [range])
  }
})

test('a chain that ends otherwise than it did has lost something: the next entry says so, and the one after it is written too', async (t) => {
  for (const loss of ['another hash', 'fewer entries', 'another log', 'both'] as const) {
    let isLost = false
    const { audit, stored } = await open((of) => ({
      async auditHead() {
        const head = await of.auditHead()
        if (!isLost) return head
        if (loss === 'another hash') return { ...head, hash: 'f'.repeat(64) }
        return loss === 'another log' ? head : { ...head, number: head.number - 1 }
      },
      async appendAudit(_newest, bytes, more) {
        isLost = false
        return await of.appendAudit(await of.auditHead(), bytes, more)
      },
    }))
    audit.own({ act: 'teach', version: 1, digest })
    audit.own({ act: 'teach', version: 2, digest })
    await audit.stop()
    const known = { number: 2, hash: (await stored.auditHead()).hash! }
    isLost = true
    if (loss === 'another log' || loss === 'both') await stored.directiveLog('lost')
    audit.own({ act: 'teach', version: 3, digest })
    await audit.stop()
    const whats = (await stored.audit(1, 10)).map((bytes) => decodeAuditEntry(bytes).what)
    t.deepEqual(
      whats.slice(2),
      [
        { act: 'lost', known: loss === 'another log' ? null : known },
        { act: 'teach', version: 3, digest },
      ],
      loss,
    )
  }
})

test('a log of directives that is as it was before is no reason for an entry, nor for a warning', async (t) => {
  const told: string[] = []
  const { audit, stored, entries } = await open(undefined, ({ type }) => void told.push(type))
  audit.own({ act: 'teach', version: 1, digest })
  for (let i = 0; i < 2; i++) audit.noticed(await stored.directiveLog())
  await audit.stop()
  t.deepEqual(await entries(), ['teach 1'])
  t.deepEqual(told, [])
})
