/** How versions come to a host: manifests first, then one upgrade after the other. */
import 'reflect-metadata'
import test from 'ava'
import { Intake } from '../../actors/history/intake.js'

function open(fails?: string) {
  const log: string[] = []
  const step = async (name: string) => {
    await Promise.resolve()
    log.push(name)
    if (name === fails) throw new Error(name)
  }
  const history = { fetch: (version: number) => step(`manifests to ${version}`) }
  const classes = { loadStep: (lineage: readonly string[], version: number) => step(`${version} of ${lineage.length}`) }
  return { intake: new Intake(history as never, classes as never), log }
}

test('all versions after the newest are taken in order, each by the lineage as it is by then', async (t) => {
  const { intake, log } = open()
  const lineage: string[] = []
  await intake.upTo(4, 2, () => {
    lineage.push('Notes')
    return lineage
  })
  t.deepEqual(log, ['manifests to 4', '3 of 1', '4 of 2'])
})

test('a version that is known already takes manifests alone', async (t) => {
  const { intake, log } = open()
  await intake.upTo(2, 2, () => [])
  t.deepEqual(log, ['manifests to 2'])
})

test('nothing is taken after what can’t be had', async (t) => {
  for (const fails of ['manifests to 4', '3 of 0']) {
    const { intake, log } = open(fails)
    await t.throwsAsync(
      intake.upTo(4, 2, () => []),
      { message: fails },
    )
    t.is(log.at(-1), fails)
  }
})
