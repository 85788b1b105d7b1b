/** T6 of docs/design.md: test/live/rollReleases.ts, for each release of which there is a fixture. */
import test from 'ava'
import { fixtureReleases } from '../support/releaseFixture.js'
import { rollReleases } from './rollReleases.js'

for (const release of fixtureReleases())
  test.serial(
    `from release ${release} to this one, back and forward under load, upgrades published and undone meanwhile: no call fails`,
    async (t) => {
      // Three dozen processes are started one after the other, on a machine that may be busy.
      t.timeout(600_000)
      const story: string[] = []
      const { calls, failed, wrong, lost } = await rollReleases(release, (line) => void story.push(line))
      t.deepEqual({ failed, wrong, lost }, { failed: [], wrong: [], lost: [] }, story.join('\n'))
      t.true(calls > 1_000, `${calls} calls`)
      if (release === '0.1.0') t.true(story.some((line) => line.startsWith('a call in envelope format 2: protocol.format: ')))
      if (release === '0.1.0') t.true(story.some((line) => line.includes(`not read by host client-old of release ${release}`)))
      t.true(story.some((line) => line.startsWith('version 4 raises the level')))
    },
  )
