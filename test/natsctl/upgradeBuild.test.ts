import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { describeClass, NodeObject } from '../../core/model/nodeObject.js'
import { bundleBytesMax } from '../../core/upgrade/manifest.js'
import { isUpgrade } from '../../core/upgrade/upgrade.js'
import { pack as packPlain } from '../../core/wire/codec.js'
import { buildUpgrade } from '../../natsctl/build/upgradeBuild.js'
import { decodeUpgradeFile, encodeUpgradeFile, upgradeFileBytesMax } from '../../natsctl/build/upgradeFile.js'
import { memoryRepository } from '../../transports/memory/memoryRepository.js'
import { bundleRepository } from '../../transports/modules/bundleRepository.js'
import { refusalOf } from '../support/rejections.js'

/** The repository, from dist/test/natsctl. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const upgrades = join(root, 'test/fixtures/upgrades')
const broken = join(root, 'test/fixtures/broken')

const tsconfig = { compilerOptions: { target: 'es2024', module: 'nodenext', strict: true, skipLibCheck: true, types: [] } }

function newDirectory(t: ExecutionContext): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'theseus-upgrade-')))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A user's project with `theseus-actors` in its node_modules, and the fixtures in `upgrades`. */
function newProject(t: ExecutionContext, settings: object | undefined = tsconfig): string {
  const project = newDirectory(t)
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(root, join(project, 'node_modules/theseus-actors'), 'dir')
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  if (settings !== undefined) writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(settings))
  cpSync(upgrades, join(project, 'upgrades'), { recursive: true })
  for (const file of readdirSync(broken)) cpSync(join(broken, file), join(project, 'upgrades', file.replace(/\.txt$/, '')))
  return project
}

/** A CommonJS package, `old-style`. */
function addPackage(project: string, source: string): void {
  const directory = join(project, 'node_modules/old-style')
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), '{ "name": "old-style" }')
  writeFileSync(join(directory, 'index.js'), source)
}

const textOf = (bundle: Uint8Array) => new TextDecoder().decode(bundle)

test('an upgrade of a user’s project is checked, bundled and described', async (t) => {
  const { manifest, bundle } = await buildUpgrade(join(newProject(t), 'upgrades/1-comments.ts'))
  t.deepEqual(manifest, {
    format: 1,
    runtime: 1,
    title: 'Readers can comment on a page',
    bundle: { digest: digestOf(bundle), bytes: bundle.length },
    classUpgrades: [
      {
        service: 'pages',
        oldClass: 'Pages.v1',
        newClass: 'Pages.v2',
        pastSO: 'notNeeded',
        futureSO: 'so',
        only: null,
        schedule: 'eagerly',
        oldMethods: { put: 'command', get: 'query' },
        newMethods: { put: 'command', get: 'query', comment: 'command', comments: 'query' },
        oldUses: [],
        newUses: [],
        inverse: false,
        delegated: { 'Pages.v2': ['get', 'put'] },
      },
    ],
    tables: {},
    gate: { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 },
  })
})

test('the build leaves nothing behind in the project', async (t) => {
  const project = newProject(t)
  await buildUpgrade(join(project, 'upgrades/1-comments.ts'))
  t.deepEqual(readdirSync(join(project, 'node_modules/.cache/theseus')), [])
  t.deepEqual(readdirSync(project).sort(), ['node_modules', 'package.json', 'tsconfig.json', 'upgrades'])
})

test('the same sources give the same bundle in another directory, and it names no directory', async (t) => {
  const first = newProject(t)
  const second = newProject(t)
  for (const project of [first, second]) {
    addPackage(project, 'exports.upper = (text) => text.toUpperCase()')
    const file = join(project, 'upgrades/1-comments.ts')
    const source = readFileSync(file, 'utf8').replace("'Readers can comment on a page'", "upper('comments')")
    writeFileSync(file, `// @ts-ignore\nimport { upper } from 'old-style'\n${source}`)
  }
  const built = await buildUpgrade(join(first, 'upgrades/1-comments.ts'))
  const again = await buildUpgrade(pathToFileURL(join(second, 'upgrades/1-comments.ts')))
  t.is(built.manifest.title, 'COMMENTS')
  t.is(again.manifest.bundle.digest, built.manifest.bundle.digest)
  for (const path of [first, tmpdir(), root]) t.false(textOf(built.bundle).includes(path), path)
})

test('an upgrade that lies behind a symbolic link gives the same bundle', async (t) => {
  const project = newProject(t)
  const link = join(newDirectory(t), 'newest.ts')
  symlinkSync(join(project, 'upgrades/1-comments.ts'), link)
  const direct = await buildUpgrade(join(project, 'upgrades/1-comments.ts'))
  const linked = await buildUpgrade(link)
  t.is(linked.manifest.bundle.digest, direct.manifest.bundle.digest)
})

test('the host’s own modules stay outside of the bundle', async (t) => {
  const { bundle } = await buildUpgrade(join(newProject(t), 'upgrades/1-comments.ts'))
  t.regex(textOf(bundle), /from "theseus"/)
  t.false(textOf(bundle).includes('unavailable.no-responders'))
  t.true(bundle.length < 5000, `${bundle.length} bytes`)
})

test('an upgrade inside Theseus’ own package finds it by its own name', async (t) => {
  const { manifest } = await buildUpgrade(join(upgrades, '1-comments.ts'))
  t.is(manifest.title, 'Readers can comment on a page')
})

test('a project that emits in its own way, or not at all, does not stand in the way of a check', async (t) => {
  const emitting = {
    compilerOptions: {
      ...tsconfig.compilerOptions,
      rootDir: 'src',
      outDir: 'out',
      composite: true,
      declaration: true,
      declarationMap: true,
      emitDeclarationOnly: true,
      isolatedDeclarations: true,
      tsBuildInfoFile: 'out/.tsbuildinfo',
      experimentalDecorators: false,
    },
    include: ['src'],
    references: [{ path: './elsewhere' }],
  }
  const { manifest } = await buildUpgrade(join(newProject(t, emitting), 'upgrades/1-comments.ts'))
  t.is(manifest.classUpgrades.length, 1)
})

test('a project’s path aliases are followed by the check and by the bundle', async (t) => {
  const project = newProject(t, { compilerOptions: { ...tsconfig.compilerOptions, paths: { '@/*': ['./upgrades/*'] } } })
  const file = join(project, 'upgrades/1-comments.ts')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll("'./pages", "'@/pages"))
  const { bundle } = await buildUpgrade(file)
  t.false(textOf(bundle).includes('@/pages'))
})

test('a source without a project is checked strictly', async (t) => {
  const project = newProject(t, undefined)
  rmSync(join(project, 'tsconfig.json'), { force: true })
  t.is((await buildUpgrade(join(project, 'upgrades/1-comments.ts'))).manifest.classUpgrades.length, 1)
  const fault = await refusalOf(t, () => buildUpgrade(join(project, 'upgrades/missingField.ts')))
  t.regex(fault.message, /missingField\.ts\(13,/)
})

test('a type error is refused with the compiler’s own line', async (t) => {
  const fault = await refusalOf(t, () => buildUpgrade(join(newProject(t), 'upgrades/missingField.ts')))
  t.is(fault.code, 'upgrade.invalid')
  t.regex(fault.message, /upgrades\/missingField\.ts\(13,\d+\): error TS\d+: /)
  t.regex(fault.message, /comments/)
})

test('without the type check, what only the compiler would refuse is built', async (t) => {
  const { manifest } = await buildUpgrade(join(newProject(t), 'upgrades/missingField.ts'), { typeCheck: false })
  t.is(manifest.title, 'A transform that forgets the comments')
})

test('what can’t be bundled is refused with file, line and text', async (t) => {
  const project = newProject(t)
  const syntax = await refusalOf(t, () => buildUpgrade(join(project, 'upgrades/syntaxError.ts'), { typeCheck: false }))
  t.is(syntax.code, 'upgrade.invalid')
  t.regex(syntax.message, /upgrades\/syntaxError\.ts:\d+:\d+: Unexpected end of file/)
  writeFileSync(join(project, 'upgrades/missing.js'), "import './nowhere.js'\n")
  const missing = await refusalOf(t, () => buildUpgrade(join(project, 'upgrades/missing.js')))
  t.regex(missing.message, /upgrades\/missing\.js:1:8: Could not resolve ".\/nowhere\.js"/)
})

test('a source that is not there is refused', async (t) => {
  const fault = await refusalOf(t, () => buildUpgrade(join(newDirectory(t), 'none.ts')))
  t.is(fault.code, 'upgrade.invalid')
  t.regex(fault.message, /none\.ts/)
})

test('a module whose default export is no upgrade is refused', async (t) => {
  const fault = await refusalOf(t, () => buildUpgrade(join(newProject(t), 'upgrades/notAnUpgrade.ts')))
  t.is(fault.code, 'upgrade.invalid')
  t.regex(fault.message, /default export is no upgrade/)
})

test('JavaScript is built without a check, and so is a class that breaks a rule only when it is described', async (t) => {
  const project = newProject(t)
  writeFileSync(
    join(project, 'upgrades/empty.js'),
    "import { defineUpgrade } from 'theseus-actors'\nexport default defineUpgrade({ title: 'Nothing', classUpgrades: [] })",
  )
  const { manifest } = await buildUpgrade(join(project, 'upgrades/empty.js'))
  t.deepEqual(manifest.classUpgrades, [])
  writeFileSync(
    join(project, 'upgrades/unmarked.js'),
    `import { NodeObject, defineUpgrade, eagerly, none, upgradeClass } from 'theseus-actors'
    class A extends NodeObject { static className = 'A.v1' }
    class B extends NodeObject { static className = 'A.v2'; open() {} }
    export default defineUpgrade({ title: 'x', classUpgrades: [
      upgradeClass({ oldClass: A, newClass: B, futureSO: none, pastSO: none, transform: (old) => old, schedule: eagerly() })] })`,
  )
  const fault = await refusalOf(t, () => buildUpgrade(join(project, 'upgrades/unmarked.js')))
  t.is(fault.code, 'upgrade.invalid')
  t.regex(fault.message, /A\.v2\.open is public but unmarked/)
})

// Bad upgrades: a clear error when they are built, not on the nodes.

for (const [what, file, reason] of [
  ['an SO that simulates the wrong class', 'wrongSimulation', /wrongSimulation\.ts\(12,7\): error TS\d+: .*PagesV2/],
  ['a delegate that the next class does not have', 'missingDelegate', /missingDelegate\.ts\(8,29\): error TS\d+: .*"comments"/],
  // Nothing is wrong with the types.
  [
    'two class upgrades for one class',
    'twoForOne',
    /^upgrade "Two class upgrades for one class": Pages\.v1 is in two class upgrades$/,
  ],
] as const) {
  test(`${what} is refused by the build of a TypeScript upgrade`, async (t) => {
    const fault = await refusalOf(t, () => buildUpgrade(join(newProject(t), `upgrades/${file}.ts`)))
    t.is(fault.code, 'upgrade.invalid')
    t.regex(fault.message, reason)
  })
}

/**
 * Three classes of one line, and the parts of a class upgrade that is right, for JavaScript
 * that nobody has checked.
 */
const unchecked = `
  import * as theseus from 'theseus-actors'
  const { NodeObject, command, query, defineUpgrade, upgradeClass, futureSO, pastSO, eagerly, none, notNeeded } = theseus
  const marked = (definition, marks) => {
    for (const [name, mark] of Object.entries(marks)) mark(definition.prototype, name)
    return definition
  }
  const A = marked(class extends NodeObject { static className = 'A.v1'; put() {} get() {} }, { put: command, get: query })
  const B = marked(class extends A { static className = 'A.v2'; more() {} }, { more: query })
  const C = marked(class extends NodeObject { static className = 'A.v3'; put() {} get() {} }, { put: command, get: command })
  const Other = class extends NodeObject { static className = 'Other.v1' }
  const ahead = (parts) => futureSO({ simulates: B, over: A, delegates: ['put', 'get'], methods: { more() {} }, ...parts })
  const aToB = (parts) =>
    ({ oldClass: A, newClass: B, futureSO: ahead(), pastSO: notNeeded, transform: (old) => old, schedule: eagerly(), ...parts })
  const upgrade = (...classUpgrades) => defineUpgrade({ title: 'x', classUpgrades })
`

test('the JavaScript upgrade that the following ones spoil is built', async (t) => {
  const file = join(newProject(t), 'upgrades/unchecked.js')
  writeFileSync(file, `${unchecked}export default upgrade(upgradeClass(aToB({})))`)
  t.is((await buildUpgrade(file)).manifest.classUpgrades.length, 1)
})

for (const [what, source, reason] of [
  [
    'two class upgrades for one class',
    'upgrade(upgradeClass(aToB({})), upgradeClass(aToB({})))',
    /A\.v1 is in two class upgrades/,
  ],
  ['a class upgrade that is a bare object', 'upgrade(aToB({}))', /write each class upgrade as upgradeClass\(\{ … \}\)/],
  ['no list of class upgrades', "defineUpgrade({ title: 'x' })", /classUpgrades is not a list/],
  ['no title', 'defineUpgrade({ classUpgrades: [] })', /the title is not a text/],
  ['no old class', 'upgradeClass(aToB({ oldClass: undefined }))', /oldClass is not a class that extends NodeObject/],
  [
    'a class that is no NodeObject',
    "upgradeClass(aToB({ newClass: class { static className = 'A.v2' } }))",
    /newClass is not a class that extends NodeObject/,
  ],
  ['a new class of the same name', 'upgradeClass(aToB({ newClass: A, futureSO: notNeeded }))', /needs a name of its own/],
  [
    'a new class of another service',
    'upgradeClass(aToB({ newClass: Other, futureSO: none, pastSO: none }))',
    /the old class is of service a, the new one of other/,
  ],
  [
    'an SO that simulates the wrong class',
    'upgradeClass(aToB({ futureSO: ahead({ simulates: A, methods: {} }) }))',
    /A\.v1 → A\.v2: its futureSO simulates A\.v1, not A\.v2/,
  ],
  [
    'an SO that stands over the wrong class',
    'upgradeClass(aToB({ futureSO: ahead({ over: B }) }))',
    /A\.v1 → A\.v2: its futureSO stands over A\.v2, not A\.v1/,
  ],
  ['an SO over nothing', 'upgradeClass(aToB({ futureSO: ahead({ over: undefined }) }))', /futureSO: over is not a class/],
  [
    'a past-SO in the place of the future-SO',
    "upgradeClass(aToB({ futureSO: pastSO({ simulates: B, over: A, delegates: ['put', 'get'], refuses: ['more'] }) }))",
    /futureSO is neither a futureSO\(…\), notNeeded nor none/,
  ],
  ['no word on the future-SO', 'upgradeClass(aToB({ futureSO: undefined }))', /futureSO is neither/],
  [
    'a delegate that the next class does not have',
    "upgradeClass(aToB({ futureSO: ahead({ delegates: ['put', 'get', 'more'], methods: {} }) }))",
    /futureSO of A\.v2 over A\.v1: more can't be delegated: A\.v1 has no such method/,
  ],
  [
    'a delegate that the simulated class does not have',
    "upgradeClass(aToB({ futureSO: ahead({ delegates: ['put', 'get', 'gone'] }) }))",
    /gone is not a remote method of A\.v2/,
  ],
  [
    'a query that is delegated to a command',
    "upgradeClass(aToB({ newClass: C, futureSO: none, pastSO: pastSO({ simulates: A, over: C, delegates: ['put', 'get'] }) }))",
    /get can't be delegated: it is a query of A\.v1 and a command of A\.v3/,
  ],
  [
    'a method that the SO does not treat',
    'upgradeClass(aToB({ futureSO: ahead({ methods: {} }) }))',
    /more is neither delegated, refused nor implemented/,
  ],
  ['a method that the SO treats twice', "upgradeClass(aToB({ futureSO: ahead({ refuses: ['get'] }) }))", /get is treated twice/],
  [
    'an SO’s method that is no function',
    'upgradeClass(aToB({ futureSO: ahead({ methods: { more: 1 } }) }))',
    /more is not a function/,
  ],
  [
    'an SO’s initial that is no function',
    'upgradeClass(aToB({ futureSO: ahead({ initial: {} }) }))',
    /initial is not a function/,
  ],
  [
    'notNeeded where the old class lacks a method',
    'upgradeClass(aToB({ futureSO: notNeeded }))',
    /its futureSO is needed for more: A\.v1 has no such method/,
  ],
  [
    'notNeeded where a query has become a command',
    'upgradeClass(aToB({ newClass: C, futureSO: none }))',
    /its pastSO is needed for get: it is a query of A\.v1 and a command of A\.v3/,
  ],
  ['no transform', 'upgradeClass(aToB({ transform: undefined }))', /transform is not a function/],
  ['a schedule that was not called', 'upgradeClass(aToB({ schedule: eagerly }))', /schedule is missing: use eagerly\(\)/],
] as const) {
  test(`${what}: refused by the build, past the compiler as well`, async (t) => {
    const file = join(newProject(t), 'upgrades/unchecked.js')
    writeFileSync(file, `${unchecked}export default ${source}`)
    const fault = await refusalOf(t, () => buildUpgrade(file))
    t.is(fault.code, 'upgrade.invalid')
    t.regex(fault.message, reason)
  })
}

test('a CommonJS package that asks for Node’s own modules works inside a bundle', async (t) => {
  const project = newProject(t)
  addPackage(project, "exports.base = require('path').basename")
  writeFileSync(
    join(project, 'upgrades/old.js'),
    "import { defineUpgrade } from 'theseus-actors'\nimport { base } from 'old-style'\nexport default defineUpgrade({ title: base('/a/b'), classUpgrades: [] })",
  )
  t.is((await buildUpgrade(join(project, 'upgrades/old.js'))).manifest.title, 'b')
})

// Bundle repositories.

const bundleOf = (text: string) => {
  const bundle = new TextEncoder().encode(text)
  return [digestOf(bundle), bundle] as const
}

test('a bundle’s classes are of the host’s own NodeObject, and the same digest gives the same classes', async (t) => {
  const { manifest, bundle } = await buildUpgrade(join(newProject(t), 'upgrades/1-comments.ts'))
  const repository = bundleRepository(join(newDirectory(t), 'cache', 'bundles'))
  const [upgrade, again] = await Promise.all([
    repository.load(manifest.bundle.digest, bundle),
    repository.load(manifest.bundle.digest, bundle),
  ])
  t.true(isUpgrade(upgrade))
  t.is(again, upgrade)
  t.is(await repository.load(manifest.bundle.digest, bundle), upgrade)
  const { newClass } = upgrade.classUpgrades[0]!
  t.true(newClass.prototype instanceof NodeObject)
  t.is(describeClass(newClass).service, 'pages')
})

test('tsyringe and reflect-metadata are the host’s own too, through a link to the cache as well', async (t) => {
  const directory = newDirectory(t)
  mkdirSync(join(directory, 'real'))
  symlinkSync(join(directory, 'real'), join(directory, 'link'), 'dir')
  const [digest, bundle] = bundleOf(`
    import 'reflect-metadata'
    import { container } from 'tsyringe'
    import { defineUpgrade } from 'theseus-actors'
    export default defineUpgrade({ title: container.resolve('title of the test'), classUpgrades: [] })`)
  await import('reflect-metadata')
  const { container } = await import('tsyringe')
  container.registerInstance('title of the test', 'from the host')
  t.is((await bundleRepository(join(directory, 'link')).load(digest, bundle)).title, 'from the host')
})

test('modules outside of the cache resolve as ever', async (t) => {
  const project = newDirectory(t)
  await bundleRepository(join(newDirectory(t), 'cache')).load(
    ...bundleOf("import { defineUpgrade } from 'theseus-actors'\nexport default defineUpgrade({ title: '', classUpgrades: [] })"),
  )
  writeFileSync(join(project, 'other.mjs'), "import 'theseus-actors'")
  await t.throwsAsync(() => import(pathToFileURL(join(project, 'other.mjs')).href), { code: 'ERR_MODULE_NOT_FOUND' })
})

test('a cached file that is damaged is written anew', async (t) => {
  const cache = newDirectory(t)
  const [digest, bundle] = bundleOf(
    "import { defineUpgrade } from 'theseus-actors'\nexport default defineUpgrade({ title: 'whole', classUpgrades: [] })",
  )
  writeFileSync(join(cache, `${digest}.mjs`), '')
  t.is((await bundleRepository(cache).load(digest, bundle)).title, 'whole')
  t.deepEqual(readdirSync(cache), [`${digest}.mjs`])
})

for (const [what, source, reason] of [
  ['does not parse', 'export default {', /Unexpected/],
  ['throws', "throw new Error('not today')", /not today/],
  ['imports what is not there', "import { nothingLikeThis } from 'theseus-actors'", /nothingLikeThis/],
  ['imports a package of its own', "import 'some-package-of-its-own'", /some-package-of-its-own/],
  ['exports no upgrade', 'export default { title: "x" }', /default export is no upgrade/],
  ['exports nothing', '', /default export is no upgrade/],
] as const) {
  test(`a bundle that ${what} is refused with the reason`, async (t) => {
    const [digest, bundle] = bundleOf(source)
    const repository = bundleRepository(newDirectory(t))
    for (let attempt = 0; attempt < 2; attempt++) {
      const fault = await refusalOf(t, () => repository.load(digest, bundle))
      t.is(fault.code, 'upgrade.invalid')
      t.regex(fault.message, reason)
    }
  })
}

test('a bundle under another’s digest is refused, and so is a digest that is none', async (t) => {
  const cache = newDirectory(t)
  const [, bundle] = bundleOf('export default 1')
  t.is((await refusalOf(t, () => bundleRepository(cache).load(digestOf(new Uint8Array()), bundle))).code, 'upgrade.digest')
  t.is((await refusalOf(t, () => bundleRepository(cache).load('../escape', bundle))).code, 'upgrade.digest')
  t.deepEqual(readdirSync(cache), [])
})

test('a cache that can’t be written is the host’s trouble and not the upgrade’s, and the next attempt may succeed', async (t) => {
  const place = join(newDirectory(t), 'cache')
  writeFileSync(place, 'a file')
  const repository = bundleRepository(place)
  const [digest, bundle] = bundleOf(
    "import { defineUpgrade } from 'theseus-actors'\nexport default defineUpgrade({ title: 'later', classUpgrades: [] })",
  )
  t.is((await refusalOf(t, () => repository.load(digest, bundle))).code, 'upgrade.fetch')
  rmSync(place)
  t.is((await repository.load(digest, bundle)).title, 'later')
})

test('a repository in memory gives what was added to it, and nothing else', async (t) => {
  const cache = bundleRepository(newDirectory(t))
  const upgrade = await cache.load(
    ...bundleOf(
      "import { defineUpgrade } from 'theseus-actors'\nexport default defineUpgrade({ title: 'kept', classUpgrades: [] })",
    ),
  )
  const repository = memoryRepository()
  repository.add('digest', upgrade)
  t.is(await repository.load('digest', new Uint8Array()), upgrade)
  t.is((await refusalOf(t, () => repository.load('other', new Uint8Array()))).code, 'upgrade.invalid')
})

// Upgrade files.

test('an upgrade file gives back what was put in', async (t) => {
  const built = await buildUpgrade(join(upgrades, '1-comments.ts'), { typeCheck: false })
  const decoded = decodeUpgradeFile(encodeUpgradeFile(built))
  t.deepEqual(decoded.manifest, built.manifest)
  t.is(Buffer.compare(decoded.bundle, built.bundle), 0)
})

test('the same upgrade gives the same file', async (t) => {
  const built = await buildUpgrade(join(upgrades, '1-comments.ts'), { typeCheck: false })
  t.is(Buffer.compare(encodeUpgradeFile(built), encodeUpgradeFile(decodeUpgradeFile(encodeUpgradeFile(built)))), 0)
})

test('what is no upgrade file is refused, whatever is wrong with it', async (t) => {
  const built = await buildUpgrade(join(upgrades, '1-comments.ts'), { typeCheck: false })
  const whole = encodeUpgradeFile(built)
  const draft = JSON.stringify(built.manifest)
  const changed = built.bundle.slice()
  changed[0]! ^= 1
  const wrong: [string, Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['text', new TextEncoder().encode('This is no upgrade.')],
    ['random bytes', Uint8Array.from({ length: 500 }, (_, i) => (i * 137 + 0xc1) % 256)],
    ['a cut file', whole.slice(0, -1)],
    ['a file with more behind it', Uint8Array.from([...whole, 0])],
    ['another format', packPlain([2, draft, built.bundle])],
    ['a map', packPlain({ format: 1 })],
    ['fields of other types', packPlain([1, built.bundle, draft])],
    ['a manifest that is no JSON', packPlain([1, draft.slice(1), built.bundle])],
    ['a manifest that is null', packPlain([1, 'null', built.bundle])],
    ['half a manifest', packPlain([1, JSON.stringify({ ...built.manifest, title: 7 }), built.bundle])],
    [
      'a manifest with a wrong class upgrade',
      packPlain([1, JSON.stringify({ ...built.manifest, classUpgrades: [{}] }), built.bundle]),
    ],
    ['a changed bundle', packPlain([1, draft, changed])],
    ['a cut bundle', packPlain([1, draft, built.bundle.subarray(1)])],
    ['a file that is too large', new Uint8Array(upgradeFileBytesMax + 1)],
  ]
  for (const [what, bytes] of wrong) {
    const fault = t.throws(() => decodeUpgradeFile(bytes), { instanceOf: Fault }, what)
    t.is(fault?.code, 'upgrade.invalid', what)
  }
})

test('the largest bundle fits into a file', (t) => {
  const bundle = new Uint8Array(bundleBytesMax)
  const manifest = {
    format: 1,
    runtime: 1,
    title: 'Large',
    bundle: { digest: digestOf(bundle), bytes: bundle.length },
    classUpgrades: [],
    tables: {},
    gate: null,
  } as const
  t.is(decodeUpgradeFile(encodeUpgradeFile({ manifest, bundle })).bundle.length, bundleBytesMax)
})
