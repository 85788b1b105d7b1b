/** docs/guide.md promises that its code compiles as it stands: all of it does, in a project with the guide's own tsconfig.json. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { tsconfigText } from '../../natsctl/new/serviceFiles.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const page = await readFile(join(root, 'docs/guide.md'), 'utf8')

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1]!)
}

const nameLine = /^\/\/ file: ((?:[\w.-]+\/)*[\w.-]+\.ts)\n/

test('every block of TypeScript in the guide says which file it is', (t) => {
  t.true(blocks('ts').length > 15)
  t.deepEqual(
    blocks('ts').filter((code) => !nameLine.test(code)),
    [],
  )
})

test('the code of the guide compiles with the tsconfig.json of the guide', async (t) => {
  const cache = join(root, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const project = await mkdtemp(join(cache, 'guide-'))
  try {
    await write(join(project, 'tsconfig.json'), blocks('json').find((text) => text.includes('"compilerOptions"'))!)
    await write(join(project, 'package.json'), JSON.stringify({ name: 'shop', type: 'module' }))
    for (const code of blocks('ts')) await write(join(project, 'src', nameLine.exec(code)![1]!), code)
    // As `npm install` would leave it.
    await mkdir(join(project, 'node_modules'))
    await symlink(root, join(project, 'node_modules/theseus'), 'dir')
    t.is(await compile(project), '')
  } finally {
    await rm(project, { recursive: true, force: true })
  }
})

test('the tsconfig.json that "natsctl new service" writes is the guide’s', (t) => {
  const text = blocks('json').find((block) => block.includes('"compilerOptions"'))!
  t.deepEqual(JSON.parse(tsconfigText('src')), JSON.parse(text))
})

test('the files that the guide links to exist', async (t) => {
  const links = [...page.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1]!)
  t.true(links.length > 2)
  for (const link of links) await t.notThrowsAsync(readFile(join(root, 'docs', link)), link)
})

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

/** The compiler's own lines: none when all is well. */
async function compile(project: string): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly bin: { readonly tsc: string } }
  const args = [join(dirname(manifest), bin.tsc), '--project', project, '--noEmit', '--pretty', 'false']
  try {
    return (await promisify(execFile)(process.execPath, args)).stdout
  } catch (error) {
    return (error as { readonly stdout?: string }).stdout || String(error)
  }
}
