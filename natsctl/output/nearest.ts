/**
 * Names that somebody may have meant: those of few changed, missing or swapped letters, as
 * commander has it for commands. Pure.
 */

const shownMax = 3
/** More is another word. */
const distanceMax = 3

/** `; did you mean p1, p2 or p3?`, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const near = nearest(name, known)
  if (near.length === 0) return ''
  return `; did you mean ${near.length === 1 ? near[0] : `${near.slice(0, -1).join(', ')} or ${near.at(-1)}`}?`
}

/** The same of versions: `12` where there are no more than 2. */
export function nearestVersion(asked: number, newest: number): string {
  return didYouMean(
    String(asked),
    Array.from({ length: newest }, (_, i) => String(i + 1)),
  )
}

/** Those of the smallest distance. */
export function nearest(name: string, known: Iterable<string>): readonly string[] {
  // A third of its letters may be wrong: what is short has many neighbours.
  const limit = Math.min(distanceMax, Math.ceil(name.length / 3))
  const ranked = [...new Set(known)]
    .filter((other) => other !== name)
    .map((other) => ({ other, distance: isPartOf(name, other) ? 1 : distanceOf(name, other, limit) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
  return ranked
    .filter(({ distance }) => distance === ranked[0]!.distance)
    .slice(0, shownMax)
    .map(({ other }) => other)
}

function isPartOf(name: string, other: string): boolean {
  return name.length >= 3 && other.toLowerCase().startsWith(name.toLowerCase())
}

/**
 * Letters to change, insert, leave out or swap with their neighbour (Damerau and Levenshtein); more than
 * `limit` is not counted exactly.
 */
function distanceOf(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) > limit) return limit + 1
  const rows = [Array.from({ length: other.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1]
      const changed = rows[i - 1]![j - 1]! + (isSame ? 0 : 1)
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      const swapped = isSwapped ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(changed, swapped, rows[i - 1]![j]! + 1, row[j - 1]! + 1))
    }
    rows.push(row)
  }
  return rows[one.length]![other.length]!
}
