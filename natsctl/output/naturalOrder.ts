/** The order in which people look for names: l2 before l10. */
const collator = new Intl.Collator('en', { numeric: true })

/** Orders by a name; names that differ for a machine alone are in the machine's order. */
export function byName<T>(nameOf: (one: T) => string): (one: T, other: T) => number {
  return (one, other) => {
    const [a, b] = [nameOf(one), nameOf(other)]
    return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)
  }
}
