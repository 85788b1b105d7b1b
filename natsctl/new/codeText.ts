/** Small pieces of TypeScript, as `natsctl new upgrade` writes them. */

/** A text in quotes. */
export function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', ' ')}'`
}

/** A name as a key of an object, or after a dot. */
export const propertyKey = (name: string): string => (isIdentifier(name) ? name : quoted(name))
export const propertyAccess = (name: string): string => (isIdentifier(name) ? `.${name}` : `[${quoted(name)}]`)

function isIdentifier(name: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(name)
}

/**
 * A decision that only a person can make: no code has the type that is asked for here, so the compiler stops
 * at it and says the whole text. As soon as code stands in its place, the rest compiles.
 */
export function decision(text: string): string {
  return `${quoted(text)} satisfies 'decided'`
}

/** The same where a value is expected: it fits whatever that is, so that there is one error and not two. */
export function decisionValue(text: string): string {
  return `${decision(text)} as never`
}

const decisions = /'((?:[^'\\]|\\.)*)' satisfies 'decided'/

/** Those of a file, with the lines they stand on. */
export function decisionsIn(text: string): readonly { readonly line: number; readonly text: string }[] {
  return text.split('\n').flatMap((line, i) => {
    const found = decisions.exec(line)?.[1]
    return found === undefined ? [] : [{ line: i + 1, text: found.replace(/\\(.)/g, '$1') }]
  })
}

export function textList(names: readonly string[]): string {
  return `[${names.map(quoted).join(', ')}]`
}

/** On one line where it fits, else one to a line. */
export function objectLiteral(entries: readonly string[], indent: string): string {
  if (entries.length === 0) return '{}'
  const line = `{ ${entries.join(', ')} }`
  if (line.length <= 60 && !line.includes('satisfies')) return line
  return `{\n${entries.map((entry) => `${indent}  ${entry},\n`).join('')}${indent}}`
}

const valueLengthMax = 60

/** A value of a first state as code, where it is short and plain. */
export function valueLiteral(value: unknown): string | undefined {
  if (value === undefined) return undefined
  try {
    const json = JSON.stringify(value)
    const isPlain = json !== undefined && JSON.stringify(JSON.parse(json)) === json && !hasMore(value)
    return isPlain && json.length <= valueLengthMax ? spaced(value) : undefined
  } catch {
    return undefined
  }
}

/** Whether JSON leaves something out: dates, bytes. */
function hasMore(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return true
  return Object.values(value).some(hasMore)
}

function spaced(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const entries = Object.entries(value).map(([name, inner]) => `${propertyKey(name)}: ${spaced(inner)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}
