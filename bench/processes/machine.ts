/** Where it was measured. */
import { spawnSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'

/** Cores, versions, and how busy the machine was with other things. Call it before the measurement. */
export function machineLine(): string {
  const [cpu] = cpus()
  const server = spawnSync('nats-server', ['--version'], { encoding: 'utf8' }).stdout?.trim().replace(': ', ' ')
  const load = loadavg()[0]!.toFixed(1)
  return [
    `${cpus().length} cores (${cpu?.model ?? 'unknown'})`,
    `Node.js ${process.version}`,
    server ?? 'nats-server',
    `load before ${load}`,
  ].join(', ')
}
