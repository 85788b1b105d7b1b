/**
 * An old backup of a host's disk, which somebody puts in place of the disk when everything rests: its nodes
 * are back where they were.
 */
import type { HostProcess } from './hostProcess.js'
import type { VirtualTime } from './virtualTime.js'

export interface BackupContext {
  readonly time: VirtualTime
  trace(line: string): void
  /** The observations of this node since then hold no more. */
  restored(nodeId: string): void
}

export async function restore(world: BackupContext, host: HostProcess): Promise<void> {
  const { backup } = host
  if (backup === undefined || !host.isAlive) return
  await host.stop()
  for (const nodeId of host.nodes.keys()) world.restored(nodeId)
  world.trace(`${host.name} has the disk of an old backup`)
  await host.replaceDisk(backup)
  host.start()
}
