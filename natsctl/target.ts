/** Which system a command talks to, and where, as it is told to people: never with a password, a token or a seed. */
import { type GlobalFlags, natsOptionsOf, systemOf } from './flags.js'

export function targetLine(flags: GlobalFlags): string {
  const { servers } = natsOptionsOf(flags.nats)
  return `system ${systemOf(flags)}: NATS at ${[servers].flat().join(', ')}, Redis at ${redisAddress(flags.redis)}`
}

/** Its host and port, and no login. */
export function redisAddress(url: string): string {
  if (!URL.canParse(url)) return '?'
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}
