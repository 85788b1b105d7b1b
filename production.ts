/**
 * Production mode: a host or an upgrade server refuses to start where somebody else could control it.
 * A part of the composition root. It looks at what was given, before anything is opened, and says all
 * that is to be done at once.
 */
import { statSync } from 'node:fs'
import type { ConnectionOptions, NeighboursOption, TrustOptions } from './connections.js'
import { Fault } from './core/base/fault.js'
import type { ConnectionFacts } from './transports/factory.js'

export interface ProductionOptions {
  /**
   * Refuses to start (`config.invalid`) without a list of trusted upgraders or a trust root, without TLS to
   * NATS and to Redis, as root, and with keys that everybody on the machine may read. False by default.
   */
  readonly production?: boolean
}

const readableByAll = 0o004

/** Throws `config.invalid`: a line for each thing that is to be done. */
export function checkProduction(
  {
    production = false,
    transport,
    udb,
    trust,
    neighbours = {},
  }: ProductionOptions & ConnectionOptions & TrustOptions & NeighboursOption,
  userId: number | null = process.getuid?.() ?? null,
): void {
  if (!production) return
  const isEmbedded = transport === undefined || udb === undefined
  const wrong = [
    ...(trust === undefined || trust === 'nobody'
      ? ['trust: give the upgraders who are trusted, or a trust root; without it anybody may install code']
      : []),
    ...(isEmbedded ? ['transport, udb: give nats(…) and redis(…): an embedded system is for development'] : []),
    ...wrongWith('transport', transport?.facts),
    ...wrongWith('udb', udb?.facts),
    ...Object.entries(neighbours).flatMap(([system, neighbour]) => [
      ...wrongWith(`neighbours.${system}.transport`, neighbour.transport?.facts),
      ...wrongWith(`neighbours.${system}.udb`, neighbour.udb?.facts),
    ]),
    ...(userId === 0 ? ['user: run as one of its own: this process is root'] : []),
  ]
  if (wrong.length === 0) return
  throw new Fault('config.invalid', `production mode refuses to start:\n${wrong.map((line) => `- ${line}`).join('\n')}`)
}

/** Of an adapter that tells nothing of itself nothing is known to be wrong. */
function wrongWith(name: string, facts: ConnectionFacts | undefined): readonly string[] {
  if (facts === undefined) return []
  const { isEncrypted, howToEncrypt, secretFiles } = facts
  return [
    ...(isEncrypted
      ? []
      : [`${name}: ${howToEncrypt}: without TLS everybody on the way reads logins and calls, and writes them`]),
    ...secretFiles.filter(isReadableByAll).map((file) => `${name}: chmod 600 ${file}: everybody on this machine may read it`),
  ]
}

/** One that is not there is the affair of whoever reads it. */
function isReadableByAll(file: string): boolean {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0
  return (mode & readableByAll) !== 0
}
