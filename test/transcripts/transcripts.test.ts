/**
 * Stories of upgrades that a person can read: each page has commands and, below each, what comes of it. Run
 * with UPDATE_TRANSCRIPTS=1 to write the pages anew, and read the difference.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Story } from './story.js'

const pages = resolve(fileURLToPath(new URL('../../../test/transcripts', import.meta.url)))

/** The page with what its commands answer now. A line that begins with `> ` is a command. */
function toldAnew(page: string): string {
  const story = new Story()
  const lines: string[] = []
  let isAnswer = false
  for (const line of page.split('\n')) {
    if (line.startsWith('> ')) {
      lines.push(line, ...story.tell(line.slice(2)).split('\n'))
      isAnswer = true
    } else if (line === '' || !isAnswer) {
      lines.push(line)
      isAnswer = false
    }
  }
  return lines.join('\n')
}

const names = readdirSync(pages).filter((name) => name.endsWith('.txt'))

for (const name of names) {
  test(`the story of ${name} is told as it is written`, (t) => {
    const path = join(pages, name)
    const written = readFileSync(path, 'utf8')
    const told = toldAnew(written)
    if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(path, told)
    t.is(told, process.env.UPDATE_TRANSCRIPTS === '1' ? told : written)
  })
}

test('there are stories, and each tells of an upgrade', (t) => {
  t.true(names.length >= 6)
  for (const name of names) t.regex(readFileSync(join(pages, name), 'utf8'), /^> publish an upgrade/m)
})

test('a command that there is not is refused, and a changed answer is seen', (t) => {
  t.throws(() => new Story().tell('n1 dances'), { message: 'no such command: n1 dances' })
  const page = '> n1 is born at version 0\nn1 is at version 7, Notes.v1\n  0: the object, state 0.0\n'
  t.is(toldAnew(page), page.replace('version 7', 'version 0'))
})
