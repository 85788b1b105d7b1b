import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { serviceNames } from '../../natsctl/new/serviceNames.js'
import { NatsctlProcess, natsctl } from './natsctlProcess.js'
import { emptyRepository, filesIn, nodeTest, tsc } from './newProject.js'

// One after the other: each runs compilers or servers, and all at once would starve one another.

test.serial('a new service compiles as it is, and its test passes in the runner of Node.js', async (t) => {
  const cwd = emptyRepository(t)
  const made = await natsctl(t, ['new', 'service', 'order-lines'], { cwd })
  t.is(made.code, 0, made.stderr)
  t.deepEqual(filesIn(cwd), ['package.json', 'src/order-lines.test.ts', 'src/order-lines.v1.ts', 'theseus.json', 'tsconfig.json'])
  t.regex(made.stdout, /npx tsc && node --test dist\/order-lines\.test\.js\n/)
  t.notRegex(made.stdout, /npm install/)
  t.is((await tsc(cwd)).output, '')
  const { failed, output } = await nodeTest(cwd, 'dist/order-lines.test.js')
  t.false(failed, output)
  t.regex(output, /pass 1\n/)
})

test.serial('a new service runs against real servers, with the config that was written for it', async (t) => {
  const cwd = emptyRepository(t)
  await natsctl(t, ['new', 'service', 'orders'], { cwd })
  const up = new NatsctlProcess(t, ['up', '-o', 'json'], { cwd })
  const { env } = await up.document(({ type }) => type === 'ready', 'the system is up')
  t.is((await natsctl(t, ['call', 'orders2', 'put', 'a', 'one', '-o', 'json'], { env })).stdout, '1\n')
  t.is((await natsctl(t, ['call', 'orders2', 'get', 'a', '--query', '-o', 'json'], { env })).stdout, '"one"\n')
  up.child.kill('SIGTERM')
  t.is((await up.ended).code, 0)
})

test.serial('nothing that is there is written over, and then nothing is written at all', async (t) => {
  const cwd = emptyRepository(t)
  await natsctl(t, ['new', 'service', 'orders'], { cwd })
  writeFileSync(join(cwd, 'src/orders.v1.ts'), 'mine')
  const before = filesIn(cwd)
  const again = await natsctl(t, ['new', 'service', 'orders'], { cwd })
  t.is(again.code, 1)
  t.is(again.stderr, 'error: src/orders.v1.ts is there already, and nothing is written over: rename or remove it first\n')
  const dry = await natsctl(t, ['new', 'service', 'orders', '--dry-run'], { cwd })
  t.is(dry.code, 1)
  t.is(readFileSync(join(cwd, 'src/orders.v1.ts'), 'utf8'), 'mine')
  t.deepEqual(filesIn(cwd), before)
})

test.serial('a dry run prints every file and writes none', async (t) => {
  const cwd = emptyRepository(t)
  const { code, stdout } = await natsctl(t, ['new', 'service', 'orders', '--dry-run', '-o', 'json'], { cwd })
  t.is(code, 0)
  const { isDryRun, files } = JSON.parse(stdout)
  t.true(isDryRun)
  t.deepEqual(
    files.map(({ file }: { file: string }) => file),
    ['src/orders.v1.ts', 'src/orders.test.ts', 'tsconfig.json', 'theseus.json'],
  )
  t.regex(files[0].text, /class OrdersV1 extends NodeObject/)
  t.deepEqual(filesIn(cwd), ['package.json'])
})

test.serial('a config and a tsconfig.json that are there stay, and what they lack is said', async (t) => {
  const cwd = emptyRepository(t)
  const config = '{ "system": "shop", "hosts": { "h1": { "module": "./a.js", "nodes": {} } } }'
  const tsconfig = '{ "compilerOptions": { "module": "nodenext", "outDir": "out" }, "include": ["lib"] } // mine'
  writeFileSync(join(cwd, 'theseus.json'), config)
  writeFileSync(join(cwd, 'tsconfig.json'), tsconfig)
  writeFileSync(join(cwd, 'package.json'), '{ "name": "shop" }')
  const { code, stdout } = await natsctl(t, ['new', 'service', 'orders', '--dir', 'lib', '-o', 'json'], { cwd })
  t.is(code, 0)
  const { notes, next } = JSON.parse(stdout)
  t.deepEqual(notes, ['tsconfig.json needs "experimentalDecorators": true, for @command and @query'])
  t.deepEqual(next.slice(0, 3), [
    'npm pkg set type=module',
    'npx tsc && node --test out/lib/orders.test.js',
    'add to "hosts" in theseus.json:  "h2": {"module":"./lib/orders.v1.ts","nodes":{"orders1":"OrdersV1","orders2":"OrdersV1"}}',
  ])
  t.is(readFileSync(join(cwd, 'theseus.json'), 'utf8'), config)
  t.is(readFileSync(join(cwd, 'tsconfig.json'), 'utf8'), tsconfig)
  const elsewhere = await natsctl(t, ['new', 'service', 'bills'], { cwd })
  t.regex(elsewhere.stderr, /tsconfig\.json does not include src\/bills\.v1\.ts, src\/bills\.test\.ts\n/)
})

test.serial('a service has its names from one', (t) => {
  const names = { service: 'order-lines', className: 'OrderLines.v1', exportName: 'OrderLinesV1', saysService: true }
  for (const name of ['order-lines', 'order_lines', 'OrderLines']) t.deepEqual(serviceNames(name), names)
  t.deepEqual(serviceNames('orders'), {
    service: 'orders',
    className: 'Orders.v1',
    exportName: 'OrdersV1',
    saysService: false,
  })
  for (const name of ['9lives', 'a b', '../a', 'client', '-', 'a'.repeat(49), ''])
    t.throws(() => serviceNames(name), { message: /use/ })
})
