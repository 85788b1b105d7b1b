/**
 * The rooms of a room stand on floors: each imports only rooms below it. A reader of a room needs to know
 * those below, and none above; and code that is bolted on from above is seen here first.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

/** From the lowest to the highest. A name with `.ts` is a file beside the rooms. */
const floors: Record<string, readonly string[]> = {
  core: [
    ...['base', 'ports', 'wire', 'trust', 'model', 'store', 'schedules', 'upgrade', 'control', 'inspection'],
    // Where 0.1.0 had what tools read from outside.
    ...['codec.ts', 'signed.ts', 'manifest.ts', 'directive.ts'],
  ],
  actors: [
    ...[
      'base',
      'timerWheel.ts',
      'state',
      'shards',
      'registration',
      'calls',
      'serving',
      'inspection',
      'history',
      'neighbours',
      'rewind',
    ],
    ...['software', 'upgrade', 'node', 'moving', 'server', 'operator', 'host'],
  ],
  natsctl: [
    ...[
      'output',
      'context',
      'history',
      'rollout',
      'state',
      'record',
      'build',
      'check',
      'doctor',
      'up',
      'watch',
      'inspect',
      'new',
      'demo',
      'completion',
      'undo',
      'pace',
      'orders',
      'shards',
      'commands',
    ],
    ...['commandTable.ts', 'program.ts', 'main.ts'],
    // Where 0.1.0 had what tools read from outside.
    ...['upgradeBuild.ts', 'upgradeFile.ts'],
  ],
}

/** Files in a room at most: more are several rooms. */
const filesMax = 28

for (const [house, rooms] of Object.entries(floors)) {
  const files = readdirSync(join(root, house), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(join(root, house), join(entry.parentPath, entry.name)))
  const roomOf = (file: string) => file.split('/')[0]!

  test(`each file of ${house} is in one of its rooms, and no room is empty or crowded`, (t) => {
    t.deepEqual([...new Set(files.map(roomOf))].sort(), [...rooms].sort())
    for (const room of rooms) {
      const inside = files.filter((file) => roomOf(file) === room && !file.includes('/page/')).length
      t.true(inside > 0 && inside <= filesMax, `${house}/${room} has ${inside} files`)
    }
  })

  test(`no room of ${house} imports one above it`, (t) => {
    const wrong = files.flatMap((file) => {
      const text = readFileSync(join(root, house, file), 'utf8')
      const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g)].map(([, to]) =>
        relative(join(root, house), resolve(root, house, dirname(file), `${to}.ts`)),
      )
      const above = (to: string) => !to.startsWith('..') && rooms.indexOf(roomOf(to)) > rooms.indexOf(roomOf(file))
      return imported.filter(above).map((to) => `${file} imports ${to}`)
    })
    t.deepEqual(wrong, [])
  })
}
