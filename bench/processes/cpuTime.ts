/** The CPU time of a process that can't be asked. */
import { readFileSync } from 'node:fs'

/** USER_HZ is 100 on every Linux that Node.js runs on. */
const tickUs = 10_000

/** In microseconds so far, in steps of 10 ms. 0 where there is no /proc. */
export function cpuTimeUs(pid: number): number {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return 0
  }
  // The second field, the name in parentheses, may hold blanks: count from its end. Fields 14
  // and 15 are user and system time.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickUs
}
