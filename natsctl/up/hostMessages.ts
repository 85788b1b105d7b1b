/** The messages between `natsctl up` and its host processes. */
import type { Trust } from 'theseus-actors'
import type { HostConfig } from './upConfig.js'
import type { NeighbourConfigs } from './upNeighbours.js'

/**
 * To a host process, once: what to run. Not on its command line, where everybody could read the
 * login of a server.
 */
export interface HostOrder {
  readonly system: string
  readonly nats: string
  readonly redis: string
  readonly host: HostConfig
  /** The upgraders who are trusted at version 0. */
  readonly trust?: Trust | 'nobody'
  /** The systems that its classes may call. */
  readonly neighbours: NeighbourConfigs
  readonly production: boolean
  /** Where the host keeps its state and its bundles. */
  readonly directory: string
  readonly log: LogForm
}

/** The output of a host: warnings in words, or everything that it tells its observers as lines of JSON. */
export type LogForm = 'text' | 'json'

export type HostMessage =
  | {
      readonly type: 'up'
      readonly nodes: readonly { readonly id: string; readonly className: string; readonly version: number }[]
    }
  /** It can't run like this; it ends. */
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'warning'; readonly text: string }
  /** One line of a structured log. */
  | { readonly type: 'log'; readonly line: string }
