/**
 * The page in headless Chromium: what it shows, at both widths, in light and dark, with the keyboard alone,
 * and with a thousand nodes.
 */
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { type PageServer, servePage } from '../../natsctl/inspect/pageServer.js'
import { Recording } from '../../natsctl/inspect/recording.js'
import type { RecordingEntry } from '../../natsctl/inspect/recordingEntry.js'
import { openPage, startBrowser } from '../support/browser.js'
import { header, rollout } from '../support/rolloutRecording.js'

const test = anyTest as TestFn
let browser: Browser

test.before(async () => {
  browser = await startBrowser()
})
test.after.always(() => browser?.close())

interface Opened {
  readonly page: Page
  readonly problems: string[]
  readonly recording: Recording
  readonly server: PageServer
}

async function open(
  t: ExecutionContext,
  entries: readonly RecordingEntry[],
  options: BrowserContextOptions & { isLive?: boolean } = {},
) {
  const recording = new Recording(header())
  recording.add(entries)
  const server = await servePage(recording, { listen: '127.0.0.1', port: 0, isLive: options.isLive ?? false })
  const { isLive: _, ...context } = options
  const { page, problems } = await openPage(browser, server.url, context)
  t.teardown(async () => {
    await page.context().close()
    await server.close()
  })
  await page.waitForSelector('.lane[aria-selected="true"]')
  return { page, problems, recording, server } satisfies Opened
}

const chosen = (page: Page) => page.locator('.lane[aria-selected="true"] .lane-name').textContent()
const lit = (page: Page) => page.locator('.chart .active').evaluateAll((all) => all.map((one) => one.getAttribute('data-state')))
const focused = (page: Page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || '')

test('a rollout is shown: how far it has come, a lane for each node, and the one in trouble first, with the reason', async (t) => {
  const { page, problems } = await open(t, await rollout({ nodes: 12, upgrades: 2, until: 0.9, stalledEvery: 6 }))
  t.is(await page.locator('#title').textContent(), 'shop')
  t.regex(
    (await page.locator('#state').textContent())!,
    /^version 2: 1\d of 12 nodes there, 2 in trouble$|^version 2: \d of 12 nodes there, 2 in trouble$/,
  )
  t.is(await page.locator('.lane').count(), 12)
  t.is(await chosen(page), 'p6')
  t.regex(
    (await page.locator('.why').textContent())!,
    /^stalled on its way to version 2: the transform threw: a page has no title · for /,
  )
  t.deepEqual(await lit(page), ['upgrade.stalled'])
  t.deepEqual(await page.locator('.chain .role').allTextContents(), ['past-SO', 'object', 'future-SO'])
  t.deepEqual(await page.locator('#versions th b').allTextContents(), ['v2', 'v1', 'v0'])
  t.deepEqual(problems, [])
})

test('the bars are there, in the colours of the phases', async (t) => {
  const { page } = await open(t, await rollout({ nodes: 12, upgrades: 1 }))
  const colours = await page.evaluate(() => {
    const canvas = document.getElementById('bars') as HTMLCanvasElement
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
    const found = new Map<string, number>()
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255)
        found.set(`${data[i]},${data[i + 1]},${data[i + 2]}`, (found.get(`${data[i]},${data[i + 1]},${data[i + 2]}`) ?? 0) + 1)
    }
    return [...found].filter(([, count]) => count > 300).map(([colour]) => colour)
  })
  // --serving, --away.
  t.true(colours.includes('134,169,155'), colours.join(' '))
  t.true(colours.includes('221,148,38'), colours.join(' '))
})

test('the chosen node’s statechart is lit, and its events can be gone through one by one', async (t) => {
  const { page, problems } = await open(t, await rollout({ nodes: 4, upgrades: 1 }))
  await page.locator('.lane', { hasText: 'p1' }).click()
  await page.waitForSelector('.chart [data-state="upgrade.current"].active')
  t.is(await page.locator('.edge.taken').count(), 1)
  await page.locator('.events').focus()
  await page.keyboard.press('Home')
  await page.waitForSelector('.chart [data-state="upgrade.fetching.asking"].active')
  t.deepEqual(await lit(page), ['upgrade.fetching', 'upgrade.fetching.asking'])
  await page.getByText('draining → scheduled.pausing').click()
  await page.waitForSelector('.chart [data-state="upgrade.scheduled.pausing"].active')
  const isInSight = await page.evaluate(() => {
    const list = document.querySelector('.events')!.getBoundingClientRect()
    const line = document.querySelector('.event[aria-selected="true"]')!.getBoundingClientRect()
    return line.top >= list.top - 1 && line.bottom <= list.bottom + 1
  })
  t.true(isInSight, 'the chosen event can be seen')
  t.is(await page.locator('.guards .held').textContent(), 'context.drainsFailed + 1 < drainTriesMax held')
  t.regex((await page.locator('.context').textContent())!, /drainsFailed1/)
  t.regex((await page.locator('.then').textContent())!, /as it was after event \d+ of \d+ · back to now/)
  await page.getByText('back to now').click()
  await page.waitForSelector('.chart [data-state="upgrade.current"].active')
  t.deepEqual(problems, [])
})

test('what happens while the page is open appears on it', async (t) => {
  const { page, recording, problems } = await open(t, await rollout({ nodes: 3, upgrades: 1 }), { isLive: true })
  t.is(await page.locator('#connection').textContent(), 'live')
  const at = Date.now()
  recording.add([
    { type: 'version', at, version: 2, title: 'Comments can be liked', classUpgrades: [] },
    { type: 'phase', at, n: 900, nodeId: 'p2', phase: 'scheduled', target: 2, reason: 'waits for the end of its hold: lunch' },
  ])
  await page.getByText('version 2: 0 of 3 nodes there').first().waitFor()
  await page.locator('.lane', { hasText: 'p2' }).click()
  await page.getByText('waits for the end of its hold: lunch').waitFor()
  t.deepEqual(await lit(page), ['upgrade.scheduled'])
  const event = {
    type: '@xstate.actor',
    actor: 'x:0',
    id: 'x:0',
    parent: null,
    snapshot: { status: 'active', value: { scheduled: 'claiming' }, context: { target: 2 } },
  }
  recording.add([{ type: 'statechart', at, nodeId: 'p2', target: 2, run: 1, manager: 'x:0', event } as RecordingEntry])
  await page.waitForSelector('.chart [data-state="upgrade.scheduled.claiming"].active')
  t.deepEqual(problems, [])
})

test('everything can be reached and done with the keyboard alone, and the focus is seen', async (t) => {
  const { page } = await open(t, await rollout({ nodes: 60, upgrades: 1, until: 0.8, stalledEvery: 30 }))
  const order: string[] = []
  for (let i = 0; i < 16; i++) {
    await page.keyboard.press('Tab')
    order.push(await focused(page))
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)
    t.not(outline, 'none', order.at(-1))
    if (order.at(-1) === 'lanes') break
  }
  t.is(order[0], 'To the nodes')
  t.deepEqual(order.slice(-6), ['find', 'order', 'range', 'zoom-out', 'zoom-in', 'lanes'])
  await page.keyboard.press('Home')
  await page.waitForFunction(() => document.querySelector('.lane[aria-selected="true"]')?.textContent?.startsWith('p1v'))
  await page.keyboard.press('ArrowDown')
  await page.waitForFunction(() => document.querySelector('.lane[aria-selected="true"]')?.textContent?.startsWith('p2v'))
  await page.keyboard.press('End')
  await page.waitForFunction(() => document.querySelector('.lane[aria-selected="true"]')?.textContent?.startsWith('p60'))
  const active = await page.locator('#lanes').getAttribute('aria-activedescendant')
  t.is(await page.locator(`#${active}`).getAttribute('aria-posinset'), '60')
  await page.keyboard.press('+')
  await page.waitForFunction(() => (document.getElementById('range') as HTMLSelectElement).value === 'own')
  await page.keyboard.press('0')
  await page.waitForFunction(() => (document.getElementById('range') as HTMLSelectElement).value === 'rollout')
  await page.keyboard.press('/')
  await page.keyboard.type('p42')
  await page.waitForFunction(() => document.querySelectorAll('.lane').length === 1)
  t.is(await page.locator('#shown').textContent(), '1 of 60')
})

test('the legend filters', async (t) => {
  const { page } = await open(t, await rollout({ nodes: 60, upgrades: 1, until: 0.8, stalledEvery: 30 }))
  const chip = page.getByRole('button', { name: /^in trouble/ })
  await chip.focus()
  await page.keyboard.press('Space')
  await page.waitForFunction(() => document.querySelectorAll('.lane').length <= 2)
  t.is(await chip.getAttribute('aria-pressed'), 'true')
})

for (const width of [1280, 400]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`at ${width} pixels in ${colorScheme} nothing is cut off, and text can be read`, async (t) => {
      const entries = await rollout({ nodes: 40, upgrades: 2, until: 0.7, stalledEvery: 17 })
      const { page, problems } = await open(t, entries, { viewport: { width, height: 800 }, colorScheme })
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth)
      t.true(scrollWidth <= width, `${scrollWidth} pixels wide`)
      const outside = await page.evaluate(() =>
        [...document.querySelectorAll('button, select, input, h1, h2, h3, .lane-name, .chart, .link')].flatMap((one) => {
          const { left, right } = one.getBoundingClientRect()
          return left < -0.5 || right > innerWidth + 0.5 ? [`${one.tagName} ${one.textContent} ${left} ${right}`] : []
        }),
      )
      t.deepEqual(outside, [])
      t.deepEqual(await page.evaluate(poorContrast), [])
      t.deepEqual(problems, [])
    })
  }
}

/** Texts whose contrast with what is behind them is below 4.5 to 1 (WCAG AA). Runs in the page. */
function poorContrast(): string[] {
  const parse = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (rgb: number[]) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  }
  const behind = (of: Element | null): number[] => {
    if (of === null) return [255, 255, 255]
    const colour = parse(getComputedStyle(of).backgroundColor)
    return colour.length === 3 || colour[3] === 1 ? colour : behind(of.parentElement)
  }
  return [
    ...document.querySelectorAll('h1, h2, h3, p, th, td, button, label, li, dt, dd, .lane-name, .lane-what, .quiet'),
  ].flatMap((one) => {
    if (one.textContent === '' || one.getBoundingClientRect().width < 2) return []
    const [a, b] = [luminance(parse(getComputedStyle(one).color)), luminance(behind(one))]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    return contrast < 4.5 ? [`${contrast.toFixed(2)} ${one.className} ${one.textContent!.slice(0, 30)}`] : []
  })
}

test('a thousand nodes cost no more than those that can be seen, and scrolling stays fluid', async (t) => {
  const { page, problems } = await open(t, await rollout({ nodes: 1000, upgrades: 2, until: 0.7, stalledEvery: 170 }))
  t.true((await page.locator('.lane').count()) < 60)
  t.is(await page.locator('#shown').textContent(), '1000 nodes')
  const frames = await page.evaluate(async () => {
    const lanes = document.getElementById('lanes')!
    const found: number[] = []
    let last = performance.now()
    const end = last + 2_000
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame)
      const now = performance.now()
      found.push(now - last)
      last = now
      lanes.scrollTop = (lanes.scrollTop + 97) % (lanes.scrollHeight - lanes.clientHeight)
    }
    return found.sort((a, b) => a - b)
  })
  const at = (share: number) => frames[Math.floor(frames.length * share)]!
  t.log(`${frames.length} frames in 2 s: half within ${at(0.5).toFixed(1)} ms, 95 % within ${at(0.95).toFixed(1)} ms`)
  // Generous: machines are shared, and there is no graphics card.
  t.true(at(0.5) < 100, `half of the frames within ${at(0.5)} ms`)
  await page.locator('#lanes').focus()
  await page.keyboard.press('End')
  await page.waitForFunction(() => document.querySelector('.lane[aria-selected="true"]')?.textContent?.startsWith('p1000'))
  t.deepEqual(problems, [])
})

test('what is missing is said', async (t) => {
  const { page, recording } = await open(t, await rollout({ nodes: 2, upgrades: 1 }), { isLive: true })
  t.false(await page.locator('#losses').isVisible())
  recording.add([{ type: 'lost', at: Date.now(), hostId: 'h1', messages: 2, dropped: 1200 }])
  const said = 'Not all is shown: 1,200 events were more than the hosts could tell in time, 2 messages were lost on the way.'
  await page.getByText(said).waitFor()
  t.true(await page.locator('#losses').isVisible())
})

test('what others wrote never becomes markup', async (t) => {
  const entries = await rollout({ nodes: 1, upgrades: 1 })
  const evil = '<img src=x onerror="document.title=1">'
  const { page, problems } = await open(t, [
    ...entries,
    { type: 'version', at: 1, version: 1, title: evil, classUpgrades: [] },
    { type: 'phase', at: Date.UTC(2026, 1), n: 999, nodeId: 'p1', phase: 'stalled', target: 2, reason: evil },
  ])
  await page.locator('.why', { hasText: evil }).waitFor()
  t.is(await page.locator('img').count(), 0)
  t.is(await page.title(), 'Rollout of shop')
  t.deepEqual(problems, [])
})

test('a page whose natsctl has ended says so', async (t) => {
  const { page, server } = await open(t, await rollout({ nodes: 2, upgrades: 1 }), { isLive: true })
  await page.getByText('live', { exact: true }).waitFor()
  await server.close()
  await page.getByText('natsctl does not answer').waitFor()
  t.false(await page.getByText('live', { exact: true }).isVisible())
})
