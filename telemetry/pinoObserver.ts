/**
 * The reports of a host to its observers, as structured lines of a pino logger, or of any other with its
 * methods. The levels say what somebody should do: `error`, look soon; `warn`, look when there are many;
 * `info`, what a shift wants to read afterwards; `debug`, the steps between.
 */
import { shownError, shownText } from '../core/base/boundedText.js'
import type { Phase } from '../core/base/phases.js'
import type { HostEvent, HostObserver } from '../core/inspection/hostEvents.js'
import { DeadLetters } from './deadLetters.js'

type Level = 'debug' | 'info' | 'warn' | 'error'

/** The parts of pino that are needed. */
export type StructuredLogger = { readonly [level in Level]: (fields: object, message: string) => void }

const phaseLevels: Readonly<Record<Phase, Level>> = {
  current: 'info',
  fetching: 'debug',
  verifying: 'debug',
  scheduled: 'info',
  draining: 'info',
  transforming: 'info',
  checking: 'debug',
  flipping: 'debug',
  recovering: 'info',
  stalled: 'error',
  rejected: 'error',
  failed: 'error',
}

/**
 * `createHost({ …, observe: pinoObserver(pino()) })`. Errors are in the field `err`, which pino serializes. A
 * sender of unreadable messages can't fill a log with them: long ones are cut, and of dead letters the first
 * of a kind is told at once, those of the next second together.
 */
export function pinoObserver(logger: StructuredLogger): HostObserver {
  const log = ({ level, fields, message }: Line, event: HostEvent, more: object = {}): void =>
    logger[level]({ event: event.type, ...shown(fields), ...more }, shownText(message))
  const letters = new DeadLetters((event, count) => log(lineOf(event), event, count > 1 ? { count } : {}))
  return (event) => {
    if (event.type === 'deadLetter') letters.tell(event)
    else log(lineOf(event), event)
  }
}

/** No field is longer than it helps. */
function shown(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, shownError(value)]))
}

interface Line {
  readonly level: Level
  readonly fields: object
  readonly message: string
}

function lineOf(event: HostEvent): Line {
  switch (event.type) {
    case 'phase': {
      const { nodeId, service, className, version, phase, target, reason } = event
      const fields = {
        node: nodeId,
        service,
        class: className,
        version,
        phase,
        ...(target === null ? {} : { target }),
        ...(reason === null ? {} : { reason }),
      }
      const to = target === null ? `at version ${version}` : `on its way to version ${target}`
      return { level: phaseLevels[phase], fields, message: `${nodeId} is ${phase}, ${to}${reason === null ? '' : `: ${reason}`}` }
    }
    case 'flipped': {
      const { nodeId, version, className } = event
      const fields = { node: nodeId, class: className, version }
      return { level: 'info', fields, message: `${nodeId} is ${className} of version ${version} from now on` }
    }
    case 'rewound': {
      const { nodeId, version, replayed, differing } = event
      const fields = { node: nodeId, version, replayed, differing }
      const message = `${nodeId} has replayed ${replayed} operations for version ${version}; ${differing} did not end as before`
      return { level: differing === 0 ? 'info' : 'warn', fields, message }
    }
    case 'transport': {
      const { status } = event
      return { level: status === 'disconnected' ? 'error' : 'info', fields: { status }, message: `the transport is ${status}` }
    }
    case 'learned':
      return { level: 'info', fields: { version: event.version }, message: `version ${event.version} is known here` }
    case 'forked': {
      const { version, ours, theirs } = event
      return {
        level: 'error',
        fields: { version, ours, theirs },
        message: `version ${version} is another one at the upgrade server`,
      }
    }
    case 'gateClosed': {
      const { version, troubles, isDryRun } = event
      const what = isDryRun ? 'would be paused' : 'is paused'
      return {
        level: 'warn',
        fields: { version, troubles, isDryRun },
        message: `the rollout of version ${version} ${what}: ${troubles.join('; ')}`,
      }
    }
    case 'deadLetter': {
      const { subject, fault, letter } = event
      const fields = { subject, code: fault.code, err: fault }
      if (letter === undefined) return { level: 'warn', fields, message: `a message on ${subject} was dropped` }
      const { kind, nodeId, method, caller, label } = letter
      const who = caller.name ?? caller.node
      const message = `${kind} ${method} of ${who} was not carried out by ${nodeId}: ${fault.message}`
      return { level: 'warn', fields: { ...fields, node: nodeId, caller, kind, method, label }, message }
    }
    case 'denied': {
      const { nodeId, caller, method, label, fault, count } = event
      const who = caller.name ?? `${caller.node} (unnamed)`
      return {
        level: 'warn',
        fields: { node: nodeId, caller, method, label, code: fault.code, count },
        message: `${count === 1 ? 'a call' : `${count} calls`} of ${method} by ${who} denied: ${fault.message}`,
      }
    }
    case 'nodeFailed':
      return {
        level: 'error',
        fields: { node: event.nodeId, err: event.error },
        message: `${event.nodeId} failed and starts again`,
      }
    case 'warning':
      return { level: 'warn', fields: { err: event.error }, message: event.message }
  }
}
