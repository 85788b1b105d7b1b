/**
 * docs/guide.md promises that its code compiles as it stands: all of it does, in a project with
 * the guide's own tsconfig.json.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { tsconfigText } from '../../natsctl/new/serviceFiles.js'
import { blocksOf, compile, nameLine, root, withProject } from '../support/documentCode.js'

const page = await readFile(join(root, 'docs/guide.md'), 'utf8')
const blocks = (language: string) => blocksOf(page, language)

test('every block of TypeScript in the guide says which file it is', (t) => {
  t.true(blocks('ts').length > 15)
  t.deepEqual(
    blocks('ts').filter((code) => !nameLine.test(code)),
    [],
  )
})

test('the code of the guide compiles with the tsconfig.json of the guide', async (t) => {
  const tsconfig = blocks('json').find((text) => text.includes('"compilerOptions"'))!
  t.is(await withProject(blocks('ts'), tsconfig, (project) => compile(project, '--noEmit')), '')
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
