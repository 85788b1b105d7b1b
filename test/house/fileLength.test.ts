/** A file has one concept. A longer one has several, each with a name of its own in the field. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const linesMax = 400
/** Files that are still to be split. */
const stillLong: readonly string[] = []
const rooms = ['core', 'actors', 'transports', 'telemetry', 'natsctl', 'rehearsal', 'samples', 'bench']

function filesBelow(room: string): readonly string[] {
  return readdirSync(join(root, room), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

for (const room of [...rooms, '.']) {
  test(`no source file ${room === '.' ? 'beside the rooms' : `of ${room}/`} has more than ${linesMax} lines`, (t) => {
    const files = room === '.' ? readdirSync(root).filter((name) => name.endsWith('.ts')) : filesBelow(room)
    t.true(files.length > 0)
    const lines = (file: string) => readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length
    const counted = files.filter((file) => !stillLong.includes(file)).map((file) => [file, lines(file)] as const)
    const long = counted.filter(([, count]) => count > linesMax)
    t.deepEqual(
      long.map(([file, count]) => `${file} has ${count} lines`),
      [],
    )
  })
}
