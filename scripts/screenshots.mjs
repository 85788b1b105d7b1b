// node scripts/screenshots.mjs: makes the pictures of the inspector in docs/, of a rollout that never was.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bin, build, environment, install, root, servers } from './lib.mjs'

if (process.env.THESEUS_SCREENSHOTS === undefined) {
  install()
  servers('chromium')
  build()
  // Once more on the pinned Node.js.
  const env = { ...environment, THESEUS_SCREENSHOTS: '1' }
  process.exit(spawnSync(bin('node'), [import.meta.filename], { stdio: 'inherit', env }).status ?? 1)
}

const from = (path) => import(join(root, 'dist', path))
const { header, rollout } = await from('test/support/rolloutRecording.js')
const { openPage, startBrowser } = await from('test/support/browser.js')
const { Recording } = await from('natsctl/inspect/recording.js')
const { servePage } = await from('natsctl/inspect/pageServer.js')

const recording = new Recording(header())
recording.add(await rollout({ nodes: 200, upgrades: 2, until: 0.7, stalledEvery: 60 }))
const server = await servePage(recording, { listen: '127.0.0.1', port: 0, isLive: false })
const browser = await startBrowser()

/** One picture: the second node, as it was when its drain came too late. */
async function shoot(file, options) {
  const { page } = await openPage(browser, `${server.url}#node=p2`, options)
  await page.getByText('draining → scheduled.pausing').click()
  await page.waitForSelector('.chart [data-state="upgrade.scheduled.pausing"].active')
  await page.mouse.move(0, 0)
  await page.evaluate(() => {
    document.activeElement.blur()
    document.getElementById('node').scrollTop = 190
    scrollTo(0, 0)
  })
  await page.screenshot({ path: join(root, 'docs', file) })
  await page.context().close()
}

await shoot('inspect.png', { viewport: { width: 1280, height: 800 }, colorScheme: 'light' })
await shoot('inspect-narrow.png', { viewport: { width: 400, height: 800 }, colorScheme: 'dark' })
await browser.close()
await server.close()
