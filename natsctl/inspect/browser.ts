/**
 * Opens the page in a browser. The URL is a key, and a command line can be read by everybody on the machine:
 * the browser is given a file that only its owner can read, which leads there.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { note } from '../output/output.js'

export interface OpenedPage {
  /** Removes the file. */
  close(): Promise<void>
}

/** Only where somebody sits in front of one; it is a convenience, so nothing is said when there is none. */
export async function openBrowser(url: string): Promise<OpenedPage | undefined> {
  if (!process.stdout.isTTY) return undefined
  const { platform, env } = process
  if (platform === 'linux' && env.DISPLAY === undefined && env.WAYLAND_DISPLAY === undefined) return undefined
  const directory = await mkdtemp(join(tmpdir(), 'theseus-inspect-'))
  const file = join(directory, 'open.html')
  await writeFile(file, redirectPage(url), { mode: 0o600, flag: 'wx' })
  const [command, ...args] = platform === 'darwin' ? ['open'] : platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open']
  const child = spawn(command!, [...args, pathToFileURL(file).href], { stdio: 'ignore', detached: true })
  child.on('error', () => note('no browser could be opened'))
  child.unref()
  return { close: () => rm(directory, { recursive: true, force: true }) }
}

/** The URL is ours: letters, digits and `:/.[]-_`. */
function redirectPage(url: string): string {
  return `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=${url}"><title>Rollout</title><a href="${url}">Rollout</a>\n`
}
