import type { Random } from '../../core/ports/random.js'

/** Chance in the words of whoever makes plans. */
export class PlanRandom {
  constructor(private readonly random: Random) {}

  chance(share: number): boolean {
    return this.random.next() < share
  }

  /** Both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.random.next() * (most - least + 1))
  }

  oneOf<T>(options: readonly T[]): T {
    return options[Math.floor(this.random.next() * options.length)]!
  }
}
