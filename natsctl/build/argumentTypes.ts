/**
 * The types of the parameters of classes' methods. The compiler has no programming interface: a file is
 * compiled in which each class's parameters stand where nothing fits, and the errors print them. A type of
 * types puts them into few words first, without aliases.
 */
import { rm, writeFile } from 'node:fs/promises'
import { basename, dirname, relative, sep } from 'node:path'
import type { Parameters, Shape } from 'theseus-actors/rehearsal'
import { withBuildSettings } from './buildSettings.js'
import type { ExportedClass } from './sourceModules.js'
import { runCompiler } from './typeCheck.js'
import { isUndefined, readArguments, shapeOf } from './typeText.js'

/** Types that lead to themselves end here: deeper values are left to chance. */
const depthMax = 5

const words = [
  'type Deeper<D extends any[]> = [...D, 0]',
  `type Word<T, D extends any[] = []> = D['length'] extends ${depthMax} ? { k: 'any' } : 0 extends 1 & T ? { k: 'any' }`,
  "  : unknown extends T ? { k: 'any' }",
  "  : T extends undefined ? undefined : T extends null ? { k: 'null' } : T extends boolean ? { k: 'flag' }",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a type
  "  : T extends string ? (string extends T ? { k: 'text' } : T extends `${infer A}${string}` ? (string extends A ? { k: 'text' } : { k: 'literal'; v: `${T}` }) : { k: 'literal'; v: `${T}` })",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a type
  "  : T extends number ? (`${number}` extends `${T}` ? { k: 'number' } : { k: 'numeral'; v: `${T}` })",
  "  : T extends Uint8Array ? { k: 'bytes' } : T extends Date ? { k: 'date' }",
  "  : T extends (...args: any[]) => unknown ? { k: 'function' } : T extends bigint | symbol | Map<any, any> | Set<any> ? { k: 'none' }",
  "  : T extends readonly any[] ? (number extends T['length'] ? { k: 'list'; of: Word<T[number], Deeper<D>> } : { k: 'tuple'; of: { [I in keyof T]: Word<T[I], Deeper<D>> } })",
  "  : { k: 'fields'; f: { [K in keyof T]: Word<T[K], Deeper<D>> } }",
  'type All<A extends readonly any[]> = { [I in keyof A]: Word<A[I]> }',
  'type Args<C, M extends keyof C> = C[M] extends (...args: infer A) => unknown ? A : never',
]

export type MethodsOf = (className: string) => readonly string[]

/** By class and method. A class whose types can't be told is left out. */
export async function argumentTypes(
  source: string,
  classes: readonly ExportedClass[],
  methodsOf: MethodsOf,
): Promise<Readonly<Record<string, Readonly<Record<string, Parameters>>>>> {
  if (classes.length === 0) return {}
  return withBuildSettings(source, async (tsconfig) => {
    const probe = tsconfig.replace(/json$/, 'mts')
    const settings = tsconfig.replace(/json$/, 'types.json')
    const head = [
      ...classes.map(({ path, exportName }, i) => `import type { ${exportName} as C${i} } from '${specifierOf(probe, path)}'`),
      ...words,
    ]
    const asked = classes.flatMap(({ className }, i) =>
      methodsOf(className).map((method) => ({ className, method, type: `C${i}` })),
    )
    const questions = asked.map(({ method, type }, i) => `export const q${i}: never = null! as All<Args<${type}, '${method}'>>`)
    await writeFile(probe, [...head, ...questions, ''].join('\n'))
    const compilerOptions = { noErrorTruncation: true, noUnusedLocals: false, noUnusedParameters: false }
    await writeFile(settings, JSON.stringify({ extends: tsconfig, files: [probe], compilerOptions }))
    try {
      const { output } = await runCompiler(source, ['--project', settings, '--pretty', 'false'])
      return read(output, basename(probe), head.length, asked)
    } finally {
      await Promise.all([probe, settings].map((file) => rm(file, { force: true })))
    }
  })
}

const printed = /^(.*)\((\d+),\d+\): error TS\d+: Type '(.*)' is not assignable to type 'never'\.$/

function read(
  output: string,
  probe: string,
  headLength: number,
  asked: readonly { readonly className: string; readonly method: string }[],
) {
  const found: Record<string, Record<string, Parameters>> = {}
  for (const line of output.split('\n')) {
    const [, file, number, text] = printed.exec(line) ?? []
    const question = file?.endsWith(probe) === true ? asked[Number(number) - headLength - 1] : undefined
    if (question === undefined) continue
    found[question.className] ??= {}
    const parameters = parametersIn(text!)
    if (parameters !== undefined) found[question.className]![question.method] = parameters
  }
  return found
}

function parametersIn(text: string): Parameters | undefined {
  const items = readArguments(text)?.filter(({ isRest }) => !isRest)
  if (items === undefined) return undefined
  const shapes: Shape[] = []
  let required = 0
  for (const [i, { type, isOptional }] of items.entries()) {
    const isLeftOut = isOptional || isUndefined(type) || (type.kind === 'union' && type.types.some(isUndefined))
    const shape = shapeOf(type)
    if (shape === undefined && !isLeftOut) return undefined
    if (shape === undefined) break
    shapes.push(shape)
    if (!isLeftOut) required = i + 1
  }
  return { names: items.slice(0, shapes.length).map(({ name }, i) => name ?? `arg${i + 1}`), shapes, required }
}

function specifierOf(from: string, path: string): string {
  const way = relative(dirname(from), path)
    .replaceAll(sep, '/')
    .replace(/\.([cm]?)tsx?$/, '.$1js')
  return way.startsWith('.') ? way : `./${way}`
}
