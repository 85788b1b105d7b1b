/** The titles of all tests, for pages that name the test which shows what they say. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** As they are written: what a template fills in stands as `${…}`. */
const written: ReadonlySet<string> = new Set(
  readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [
      ...readFileSync(join(root, 'test', file), 'utf8').matchAll(
        /\b(?:test|contract)(?:\.serial)?\(\s*(['"`])((?:(?!\1).)+)\1/gs,
      ),
    ])
    .map(([, , title]) => title!),
)

/** Any text may fill a template. */
const patterns = [...written].map(
  (title) =>
    new RegExp(
      `^${title
        .split(/\$\{[^}]*\}/)
        .map(literally)
        .join('.+')}$`,
    ),
)

export function isTestTitle(title: string): boolean {
  return written.has(title) || patterns.some((pattern) => pattern.test(title))
}
