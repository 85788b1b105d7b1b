/**
 * Chromium from the distribution's package, headless, for the tests of the page. One for all tests of a file.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** It ends a wait that would never end; the pages of a file share the processor. */
const waitMsMax = 180_000

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** Throws where there is none, and says what to do: the tests of the page are not skipped. */
function findBrowser(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/bin', '/usr/bin']
  for (const path of folders.flatMap((folder) => names.map((name) => join(folder, name)))) {
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {}
  }
  throw new Error('the tests need chromium, which is not installed here: apt-get install chromium')
}

export function startBrowser(): Promise<Browser> {
  // The sandbox needs a user of its own; the pages are ours.
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
  return chromium.launch({ executablePath: findBrowser(), args, timeout: waitMsMax })
}

/**
 * A page that fails its test when it throws, when its policy stops something, or when it asks for anything
 * beyond this machine.
 */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(waitMsMax)
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(String(error.stack ?? error)))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) problems.push(`asks ${request.url()}`)
  })
  await page.goto(url)
  return { page, problems }
}
