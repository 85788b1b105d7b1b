/**
 * The facts of two classes that only the compiler knows. It has no programming interface, so a file of
 * questions is compiled, one to a line, each written so that the line is an error where the answer is no. The
 * lines of the errors are the answers.
 */
import { rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isFault } from 'theseus-actors'
import { withBuildSettings } from '../build/buildSettings.js'
import { runCompiler } from '../build/typeCheck.js'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { type ClassRef, specifierOf } from './classRef.js'

/** Whether a type is `true`, or code compiles; or which names a type is a union of. */
export type Question = { readonly holds: string } | { readonly compiles: string } | { readonly names: string }

export interface Answers {
  isYes(question: Question): boolean
  /** Undefined where the names are not finite. */
  names(question: Question): readonly string[] | undefined
}

/**
 * In the questions, `Old` and `New` are the classes, `StateOld` and `StateNew` their root states, `NamesOld`
 * and `NamesNew` the names of their collections; `RecordOld<'items'>` and `RecordNew<'items'>` are a
 * collection's records, `Args<Old, 'put'>` what a method takes.
 */
function headOf(probe: string, old: ClassRef, next: ClassRef): readonly string[] {
  // Our own, by its path: it is the same that the classes import, wherever the questions lie.
  const theseus = specifierOf(probe, fileURLToPath(import.meta.resolve('theseus-actors')))
  return [
    `import { futureSO, type NodeObject, pastSO } from '${theseus}'`,
    `import { ${old.exportName} as Old } from '${specifierOf(probe, old.path)}'`,
    `import { ${next.exportName} as New } from '${specifierOf(probe, next.path)}'`,
    'type Args<C, M extends keyof C> = C[M] extends (...args: infer A) => unknown ? A : never',
    ...['Old', 'New'].flatMap((name) => [
      // A class that extends it can see its protected members.
      `class Open${name} extends ${name} { opened() { return [this.state, this.collection] as const } }`,
      `type State${name} = ReturnType<Open${name}['opened']>[0]`,
      `declare const collection${name}: ReturnType<Open${name}['opened']>[1]`,
      `type Names${name} = Parameters<typeof collection${name}>[0]`,
      `type Record${name}<N extends Names${name}> = Exclude<ReturnType<ReturnType<typeof collection${name}<N>>['get']>, undefined>`,
      `export type { State${name}, Names${name}, Record${name} }`,
    ]),
    'export { futureSO, type NodeObject, pastSO, New, Old, type Args }',
  ]
}

function lineOf(question: Question, index: number): string {
  if ('holds' in question) return `export const q${index}: true = null! as (${question.holds})`
  if ('names' in question) return `export const q${index}: '(none)' = null! as (${question.names})`
  return question.compiles
}

/** Throws a failure with the compiler's own lines when the classes themselves do not compile. */
export function askCompiler(old: ClassRef, next: ClassRef, questions: readonly Question[]): Promise<Answers> {
  return withBuildSettings(old.path, async (tsconfig) => {
    const probe = tsconfig.replace(/json$/, 'mts')
    const settings = tsconfig.replace(/json$/, 'questions.json')
    const head = headOf(probe, old, next)
    await writeFile(probe, [...head, ...questions.map(lineOf), ''].join('\n'))
    const compilerOptions = { noErrorTruncation: true, noUnusedLocals: false, noUnusedParameters: false }
    await writeFile(settings, JSON.stringify({ extends: tsconfig, files: [probe], compilerOptions }))
    try {
      const { output } = await runCompiler(old.path, ['--project', settings, '--pretty', 'false']).catch((error: unknown) => {
        if (!isFault(error)) throw error
        const message = 'error: no TypeScript to compare the classes with: npm install --save-dev typescript @types/node'
        throw new Failure(exitCodes.error, message, { cause: error })
      })
      return answersFrom(output, basename(probe), head.length, questions)
    } finally {
      await Promise.all([probe, settings].map((file) => rm(file, { force: true })))
    }
  })
}

/** `src/a.ts(3,14): error TS2322: Type …` */
const errorLine = /^(.*)\((\d+),\d+\): error TS\d+: (.*)$/

function answersFrom(output: string, probe: string, headLength: number, questions: readonly Question[]): Answers {
  const no = new Map<number, string>()
  const others: string[] = []
  for (const line of output.split('\n')) {
    const [, file, number, message] = errorLine.exec(line) ?? []
    if (file === undefined) continue
    const question = Number(number) - headLength - 1
    if (!file.endsWith(probe) || question < 0) others.push(line)
    else no.set(question, message!)
  }
  if (others.length > 0) throw new Failure(exitCodes.error, `error: the classes do not compile:\n${others.join('\n')}`)
  const messageOf = (question: Question) => no.get(questions.indexOf(question))
  return {
    isYes: (question) => messageOf(question) === undefined,
    names: (question) => {
      const message = messageOf(question)
      if (message === undefined) return []
      const found = [...message.split(' is not assignable')[0]!.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, name]) => name!)
      return found.length === 0 ? undefined : found
    },
  }
}
