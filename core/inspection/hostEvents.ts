/**
 * The events that a host tells its observers: one union, for logs, tests, traces and the inspector. Observing
 * never changes anything.
 */

import type { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import type { Phase } from '../base/phases.js'
import type { TransportStatus } from '../ports/transport.js'
import type { CallerInfo } from '../wire/callerInfo.js'

export type HostEvent =
  | {
      readonly type: 'phase'
      readonly nodeId: string
      readonly service: string
      /** The class that the node runs as the phase begins. */
      readonly className: string
      readonly version: Version
      readonly phase: Phase
      readonly target: Version | null
      readonly reason: string | null
    }
  | { readonly type: 'flipped'; readonly nodeId: string; readonly version: Version; readonly className: string }
  /** It has gone back by its recording (§8): so many operations replayed, of which so many not as before. */
  | {
      readonly type: 'rewound'
      readonly nodeId: string
      readonly version: Version
      readonly replayed: number
      readonly differing: number
    }
  /** The way to the other hosts is there, or gone. */
  | { readonly type: 'transport'; readonly status: TransportStatus }
  | { readonly type: 'learned'; readonly version: Version }
  /**
   * The upgrade server has another manifest for a version than this host: nothing is installed until an
   * operator has looked.
   */
  | { readonly type: 'forked'; readonly version: Version; readonly ours: string; readonly theirs: string }
  /** Calls that were not let in, or that a method is not for. `count` of them, of which this is one. */
  | {
      readonly type: 'denied'
      readonly nodeId: string
      readonly caller: CallerInfo
      readonly method: string
      readonly label: Version
      readonly fault: Fault
      readonly count: number
    }
  /** A message that nobody carries out, and whose sender is not told. `letter`: of one that could be read. */
  | { readonly type: 'deadLetter'; readonly subject: string; readonly fault: Fault; readonly letter?: Letter }
  | { readonly type: 'nodeFailed'; readonly nodeId: string; readonly error: unknown }
  | {
      readonly type: 'gateClosed'
      readonly version: Version
      readonly troubles: readonly string[]
      readonly isDryRun: boolean
    }
  | { readonly type: 'warning'; readonly message: string; readonly error: unknown }

/** A one-way message that its node did not carry out. */
export interface Letter {
  readonly kind: 'send' | 'event'
  readonly nodeId: string
  /** The method, or the event. */
  readonly method: string
  readonly caller: CallerInfo
  readonly label: Version
}

export type HostObserver = (event: HostEvent) => void
