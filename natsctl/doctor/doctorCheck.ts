/** One check of `doctor`: what was found, and what to do. */

export interface Check {
  readonly check: string
  readonly status: 'ok' | 'warning' | 'failure'
  readonly found: string
  /** The advice; null where nothing is to be done. */
  readonly advice: string | null
  /** The nodes that it concerns. */
  readonly nodes: readonly string[]
}

export function ok(check: string, found: string): Check {
  return { check, status: 'ok', found, advice: null, nodes: [] }
}

export function warning(check: string, found: string, advice: string, nodes: readonly string[] = []): Check {
  return { check, status: 'warning', found, advice, nodes }
}

export function failure(check: string, found: string, advice: string): Check {
  return { check, status: 'failure', found, advice, nodes: [] }
}

const namesMax = 5

/** The first of them, and how many more there are. */
export function nameList(names: readonly string[]): string {
  const more = names.length > namesMax ? ` and ${names.length - namesMax} more` : ''
  return `${names.slice(0, namesMax).join(', ')}${more}`
}
