/** The system's level as it is kept in Redis: `0.2.0 envelope=2 manifest=3`. */
import type { StoredLevel } from '../../core/control/upgradeDatabase.js'

export function numbersText(numbers: Readonly<Record<string, number>>): string {
  return Object.entries(numbers)
    .map(([name, number]) => `${name}=${number}`)
    .sort()
    .join(' ')
}

export function levelText({ release, numbers }: StoredLevel): string {
  return `${release} ${numbersText(numbers)}`
}

/** Greater ones count as this: no level has one. */
export const levelNumberMax = 1_000_000

/** Null where there is none. Reads as the scripts do: what counts there is seen here, whoever wrote it. */
export function levelFrom(text: string): StoredLevel | null {
  if (text === '') return null
  const pairs = [...text.matchAll(/([a-zA-Z]+)=(\d+)/g)]
  return {
    release: text.split(' ', 1)[0]!,
    numbers: Object.fromEntries(pairs.map(([, name, number]) => [name!, Math.min(Number(number), levelNumberMax)])),
  }
}
