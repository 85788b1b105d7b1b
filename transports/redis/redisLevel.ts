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

/** Null for what can't be read: the signed history says it again. */
export function levelFrom(text: string): StoredLevel | null {
  const [release = '', ...words] = text.split(' ')
  const pairs = words.map((word) => /^([a-zA-Z]+)=(\d{1,6})$/.exec(word))
  if (release === '' || pairs.includes(null)) return null
  return { release, numbers: Object.fromEntries(pairs.map((pair) => [pair![1]!, Number(pair![2])])) }
}
