/** The releases of nats-server on which the tests of logs run: with crashes, elections and frozen servers. */
const testedVersions: readonly string[] = ['2.9.10']

/**
 * Whether the tests cover the log's rules on that release of nats-server. Another one may fence, replicate or
 * trim in another way.
 */
export function testedServer(version: string): boolean {
  return testedVersions.includes(version)
}

/** The line for a release that the tests do not cover. */
export function untestedServerLine(version: string, server: string): string {
  return `nats-server ${version} at ${server}: logs of shards were tested with ${testedVersions.join(', ')}. docs/operating.md, "Logs of shards", says how to try it`
}
