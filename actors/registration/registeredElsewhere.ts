/** Says of a node why it is not registered here: where it is, or may be, or which release it needs. */
import { Fault } from '../../core/base/fault.js'
import { release } from '../../core/base/formats.js'
import { type Level, newestLevel, unreadOf } from '../../core/base/level.js'
import type { RegisterAnswer } from '../../core/control/upgradeDatabase.js'

export function notRegisteredFault(nodeId: string, answer: Extract<RegisterAnswer, { registered: false }>): Fault {
  const { level } = answer
  if (level === undefined) return registeredElsewhereFault(nodeId, answer.directoryId, answer.hostId)
  const unread = unreadOf(level.numbers as Level, newestLevel).join(', ')
  const message = `${nodeId} is not registered: the system's level is ${unread}, which release ${release} does not read: run release ${level.release} or newer`
  return new Fault('config.release', message, { nodeId, release: level.release })
}

/** The database has another registration of the node. */
export function registeredElsewhereFault(nodeId: string, directoryId: string | undefined, hostId: string | undefined): Fault {
  const where = [
    ...(hostId === undefined ? [] : [`on host ${hostId}`]),
    ...(directoryId === undefined ? [] : [`with state directory ${directoryId}`]),
  ].join(' ')
  return new Fault(
    'config.registered-elsewhere',
    `node ${nodeId} is registered ${where || 'elsewhere'}: start it there, or forget it with "natsctl node forget ${nodeId}"`,
    { nodeId, ...(directoryId === undefined ? {} : { directoryId }), ...(hostId === undefined ? {} : { hostId }) },
  )
}

/** Of a node that waits for that. Without a host: the database may have lost which one. */
export function maybeElsewhereText(nodeId: string, hostId: string | undefined, leftMs: number): string {
  const seconds = Math.ceil(leftMs / 1000)
  const where =
    hostId === undefined
      ? 'on a host of which the upgrade database knows nothing any more'
      : `on host ${hostId}, from another copy of this state directory`
  return `node ${nodeId} may run ${where}: it is stopped there, and starts here within ${seconds} s`
}
