/** A mutant: one small change to one file's code, of the kind that a slip of the hand makes. */

export interface Mutant {
  /** Its number in its file, from 0. */
  readonly id: number
  /**
   * Stays the same while the code around it does: `Mailbox.post | a < b → a <= b`, with ` #2`
   * from the second on.
   */
  readonly key: string
  /** Function or method that it lies in; empty at the top level of the file. */
  readonly scope: string
  /** The line of the TypeScript source. */
  readonly line: number
  /** It takes effect while the module is loaded, and so in a fresh process only. */
  readonly isStatic: boolean
  /** Digest of the code of its scope: a verdict stands as long as this does. */
  readonly digest: string
}

export interface InstrumentedFile {
  /** Relative to the project, as source: `core/wire/codec.ts`. */
  readonly file: string
  /** Its compiled code with all mutants in it, each switched by its id. */
  readonly code: string
  readonly mutants: readonly Mutant[]
}

/** The global through which instrumented code asks for its switch. */
export const switchboard = '$mutation'
