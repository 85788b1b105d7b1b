/** `natsctl new service`: a class, its test, and a config to run it with, in the reader's own repository. */
import { basename, join, relative, resolve } from 'node:path'
import { isName } from 'theseus-actors/operator'
import { nearestFile } from '../build/buildSettings.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { checkNew, exists, type NewFile, writeNew } from './newFiles.js'
import { type NewFlags, printNewReport } from './newReport.js'
import { compiledBy, jsonOf, packageHints } from './project.js'
import { classText, hostEntry, testText, tsconfigText, upConfigText } from './serviceFiles.js'
import { type ServiceNames, serviceNames } from './serviceNames.js'

const upConfig = 'theseus.json'

export async function newService(name: string, flags: NewFlags): Promise<ExitCode> {
  const names = serviceNames(name)
  const directory = relative(process.cwd(), resolve(flags.dir ?? 'src')) || '.'
  const source = join(directory, `${names.service}.v1.ts`)
  const test = join(directory, `${names.service}.test.ts`)
  const tsconfig = nearestFile(resolve(source), 'tsconfig.json')
  const module = `./${source}`
  const files: NewFile[] = [
    { path: source, about: `the class ${names.className}, version 1`, text: classText(names) },
    { path: test, about: 'runs it on an embedded system', text: testText(names) },
  ]
  if (tsconfig === undefined) files.push({ path: 'tsconfig.json', about: 'how it is compiled', text: tsconfigText(directory) })
  const hasUpConfig = await exists(upConfig)
  if (!hasUpConfig)
    files.push({ path: upConfig, about: 'what "natsctl up" runs', text: upConfigText(names, module, await systemName(names)) })

  if (flags.dryRun === true) await checkNew(files)
  else await writeNew(files)
  const compiled = await compiledBy(tsconfig ?? resolve('tsconfig.json'), flags.dryRun === true ? [] : [source, test])
  const add = hasUpConfig ? [await toAdd(names, module)] : []
  // The place of files written here is known without a compiler.
  const built = tsconfig === undefined ? join('dist', basename(test).replace(/ts$/, 'js')) : compiled.out(test)
  printNewReport({
    files,
    notes: compiled.notes,
    next: [
      ...(await packageHints(directory)),
      built === undefined ? `npx tsc, and then node --test on what it makes of ${test}` : `npx tsc && node --test ${built}`,
      ...add,
      'npx natsctl up',
      `npx natsctl call ${names.service}1 put a one    in another terminal, with the variables that "up" prints`,
    ],
    flags,
  })
  return exitCodes.done
}

/** The name of the project, where it can be a system's. */
async function systemName({ service }: ServiceNames): Promise<string> {
  const name = (await jsonOf('package.json'))?.name ?? basename(process.cwd())
  return isName(name) ? name : service
}

async function toAdd(names: ServiceNames, module: string): Promise<string> {
  const { hosts } = (await jsonOf(upConfig)) ?? {}
  const taken = typeof hosts === 'object' && hosts !== null ? Object.keys(hosts) : []
  const id = ['h1', 'h2', 'h3', names.service].find((free) => !taken.includes(free)) ?? `${names.service}-host`
  return `add to "hosts" in ${upConfig}:  ${JSON.stringify(id)}: ${JSON.stringify(hostEntry(names, module))}`
}
