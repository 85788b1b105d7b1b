/** Standard Schema, version 1: as much of it as is asked for. Zod, Valibot, ArkType and others have it. */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    /** Without issues the value is accepted. */
    readonly validate: (value: unknown) => ValidationResult | Promise<ValidationResult>
    /** Standard JSON Schema: where the library has it. */
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => Record<string, unknown> }
  }
}

export interface ValidationResult {
  readonly issues?: readonly unknown[] | undefined
}

/**
 * The schemas of the arguments, by method: one for each parameter, or one for the list of all arguments.
 * `check` calls methods with what they accept. The runtime does not look at them.
 */
export type Accepts = Readonly<Record<string, StandardSchema | readonly StandardSchema[]>>
