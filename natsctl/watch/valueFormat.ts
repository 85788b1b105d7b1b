/** How the screen writes numbers and times. */
import { age } from '../output/output.js'

/** The value that nobody has told. */
export const unknownText = '–'

export function rateText(rate: number | undefined): string {
  if (rate === undefined) return unknownText
  if (rate === 0) return '0'
  if (rate < 0.1) return '<0.1'
  if (rate < 9.95) return rate.toFixed(1)
  return rate < 99_999.5 ? String(Math.round(rate)) : `${Math.round(rate / 1000)}k`
}

export function durationText(ms: number | undefined): string {
  if (ms === undefined) return unknownText
  if (ms < 1) return '<1ms'
  if (ms < 9.95) return `${ms.toFixed(1)}ms`
  return ms < 999.5 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(1)}s`
}

export function ageText(since: number | undefined, now: number): string {
  return since === undefined ? '' : age(now - since)
}

/** By the clock and the time zone of who looks; with the day where it was another one. */
export function timeOfDay(at: number, now: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const then = new Date(at)
  const time = `${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())}`
  const isToday = then.toDateString() === new Date(now).toDateString()
  return isToday ? time : `${two(then.getMonth() + 1)}-${two(then.getDate())} ${time}`
}
