/** T1 and T5 of docs/design.md: the one table of formats, and that everything asks it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { fileFormats, formats, isRead, numbersRead, release } from '../../core/base/formats.js'
import { softwareVersion } from '../../core/base/softwareVersion.js'
import { auditFormat } from '../../core/control/audit.js'
import { identifiedDirectiveFormat } from '../../core/control/directive.js'
import { recordFormat } from '../../core/model/nodeRecord.js'
import { trustRootFormat } from '../../core/trust/trustRoot.js'
import { runtimeInterfaces } from '../../core/upgrade/runtimeInterface.js'
import { envelopeFormat, originFormat } from '../../core/wire/envelope.js'
import { redisLayout } from '../../transports/redis/redisKeys.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

test('a release reads every number since 0.1.0, and what 0.1.0 reads is among them', (t) => {
  for (const [name, { oldest, newest, first }] of Object.entries(formats)) {
    t.is(oldest, 1, name)
    t.true(isRead({ oldest, newest }, first), name)
  }
})

test('each format has the number that the table gives', (t) => {
  t.deepEqual([envelopeFormat, originFormat], [formats.envelope.oldest, formats.envelope.newest])
  t.is(recordFormat, formats.record.newest)
  t.is(identifiedDirectiveFormat, formats.directive.newest)
  t.is(runtimeInterfaces, formats.runtime)
  t.is(redisLayout, formats.layout.newest)
  t.is(auditFormat, formats.audit.newest)
  t.is(trustRootFormat, fileFormats.trustRoot.newest)
})

test('a number is read from the oldest to the newest, and nothing else is one', (t) => {
  const numbers = { oldest: 1, newest: 3 }
  t.deepEqual(
    [0, 1, 2, 3, 4, 1.5, Number.NaN, '2', null, undefined].filter((each) => isRead(numbers, each)),
    [1, 2, 3],
  )
  t.is(numbersRead(numbers), '1 to 3')
  t.is(numbersRead({ oldest: 2, newest: 2 }), '2')
})

/** As `0.2.0`: three numbers. */
function parts(version: string): readonly number[] {
  return /^(\d+)\.(\d+)\.(\d+)$/.exec(version)!.slice(1).map(Number)
}

test('the table names this release, or the one that this code becomes', (t) => {
  const [is, becomes] = [parts(softwareVersion), parts(release)]
  const at = becomes.findIndex((part, i) => part !== is[i])
  t.true(at === -1 || becomes[at]! > is[at]!)
})

test('no other file in the house says which number of a format there is', (t) => {
  const houses = ['core', 'actors', 'transports', 'natsctl']
  const found = houses
    .flatMap((house) => readdirSync(join(root, house), { recursive: true, encoding: 'utf8' }).map((name) => join(house, name)))
    .filter((file) => file.endsWith('.ts') && file !== 'core/base/formats.ts')
    .flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/^export const (\w*Format) = (\d+)$/gm)].map(
        ([, name]) => `${file} ${name}`,
      ),
    )
  // The forms of a document that has several: which is the newest, the table says.
  const forms = [
    'directiveFormat',
    'identifiedDirectiveFormat',
    'firstDirectiveFormat',
    'manifestFormat',
    'identifiedFormat',
    'levelFormat',
    'promiseFormat',
  ]
  t.deepEqual(
    found.filter((each) => !forms.some((form) => each.endsWith(` ${form}`))),
    [],
  )
})

test('the protocol page has the table', (t) => {
  const page = readFileSync(join(root, 'docs/protocol.md'), 'utf8')
  const rows = [...page.matchAll(/^\| (\w+) \| (\d+) \| ([\d to]+) \| [^|]+ \|$/gm)].map(([, name, first, read]) => [
    name,
    Number(first),
    read,
  ])
  t.deepEqual(
    rows,
    Object.entries(formats).map(([name, numbers]) => [name, numbers.first, numbersRead(numbers)]),
  )
})
