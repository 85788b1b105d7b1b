import { Fault } from './fault.js'

/** Milliseconds, or a number with its unit: `250`, `'250ms'`, `'10s'`, `'5m'`, `'2h'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

export function milliseconds(duration: Duration): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(typeof duration === 'number' ? `${duration}ms` : duration)
  if (match === null)
    throw new Fault('config.invalid', `duration ${JSON.stringify(duration)}: use milliseconds, or a number with ms, s, m or h`)
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]
}
