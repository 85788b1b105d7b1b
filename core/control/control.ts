/**
 * The order of an operator to nodes while an upgrade is under way ("an upgrade database lets operators
 * monitor and control", §3). Controls are kept in the upgrade database and carried out by the upgrade
 * managers, beside whatever the scheduling functions say: a wrong SF can be late, never dangerous.
 */
import { Fault } from '../base/fault.js'
import { isName, isVersion, type Version } from '../base/ids.js'
import { isShardNumber } from '../model/shard.js'
import { isPaceOrder, type PaceChange, type Promotion } from './paceOrders.js'

export type Control =
  /**
   * No node goes to this version; those on their way arrive. Never holds a version that takes
   * another one back.
   */
  | { readonly kind: 'pause'; readonly version: Version; readonly reason: string; readonly since: number }
  /** This node goes nowhere. */
  | { readonly kind: 'hold'; readonly nodeId: string; readonly reason: string; readonly since: number }
  /**
   * This node goes to this version now: its SF is not asked, a pause does not hold it. Its
   * service's limit does, and a hold.
   */
  | { readonly kind: 'now'; readonly nodeId: string; readonly version: Version; readonly since: number }
  /**
   * Nodes that are stalled or rejected on their way to this version try again, each time that
   * `token` is another.
   */
  | { readonly kind: 'retry'; readonly version: Version; readonly token: string; readonly since: number }
  /**
   * The troubles of the rollout to this version for which it has been paused already: they do
   * not pause it again.
   */
  | { readonly kind: 'gate'; readonly version: Version; readonly heeded: readonly string[]; readonly since: number }
  /**
   * This shard goes to this start of this host, and stays there, as long as that offers its service. Whenever
   * it does not, hashing decides, as for any other shard.
   */
  | {
      readonly kind: 'place'
      readonly service: string
      readonly shard: number
      readonly hostId: string
      readonly start: string
      readonly reason: string
      readonly since: number
    }
  | Promotion
  | PaceChange
  /**
   * The nodes of this service go into its shards, one after the other; or out of them, into a host's own
   * store.
   */
  | {
      readonly kind: 'home'
      readonly service: string
      readonly to: Home
      readonly reason: string
      readonly since: number
    }

/** Where the nodes of a sharded service live. */
export type Home = { readonly kind: 'sharded' } | { readonly kind: 'local'; readonly hostId: string }

export type HomeOrder = Extract<Control, { kind: 'home' }>

export type Placement = Extract<Control, { kind: 'place' }>

export const heededMax = 1000

export const controlReasonLengthMax = 1024

/** There is one of each key. */
export function controlKey(control: ControlName): string {
  if (control.kind === 'place') return `place/${control.service}/${control.shard}`
  if (control.kind === 'home') return `home/${control.service}`
  return `${control.kind}/${'nodeId' in control ? control.nodeId : control.version}`
}

/** The fields by which a control is found. */
export type ControlName =
  | { readonly kind: 'pause' | 'retry' | 'gate' | 'promote' | 'pace'; readonly version: Version }
  | { readonly kind: 'hold' | 'now'; readonly nodeId: string }
  | { readonly kind: 'place'; readonly service: string; readonly shard: number }
  | { readonly kind: 'home'; readonly service: string }

/** Throws `config.invalid`. */
export function checkControl(control: Control): void {
  if (!isControl(control)) throw new Fault('config.invalid', `this is no control: ${JSON.stringify(control).slice(0, 200)}`)
}

export function isControl(value: unknown): value is Control {
  if (typeof value !== 'object' || value === null) return false
  const control = value as Record<string, unknown>
  if (typeof control.since !== 'number') return false
  switch (control.kind) {
    case 'pause':
      return isVersion(control.version) && isReason(control.reason)
    case 'hold':
      return isName(control.nodeId) && isReason(control.reason)
    case 'now':
      return isName(control.nodeId) && isVersion(control.version)
    case 'retry':
      return isVersion(control.version) && typeof control.token === 'string'
    case 'gate':
      return (
        isVersion(control.version) &&
        Array.isArray(control.heeded) &&
        control.heeded.length <= heededMax &&
        control.heeded.every((key) => typeof key === 'string')
      )
    case 'place':
      return isShardName(control) && isName(control.hostId) && isName(control.start) && isReason(control.reason)
    case 'promote':
    case 'pace':
      return isPaceOrder(control) && isReason(control.reason)
    case 'home':
      return isName(control.service) && isHome(control.to) && isReason(control.reason)
    default:
      return false
  }
}

function isHome(value: unknown): value is Home {
  const { kind, hostId } = (value ?? {}) as Record<string, unknown>
  return kind === 'sharded' || (kind === 'local' && isName(hostId))
}

/** As people read it. */
export function homeText(to: Home): string {
  switch (to.kind) {
    case 'sharded':
      return 'its shards'
    case 'local':
      return `host ${to.hostId}`
  }
}

/** Whether these are fields that name a shard. */
export function isShardName({ service, shard }: Readonly<Record<string, unknown>>): boolean {
  return isName(service) && isShardNumber(shard)
}

function isReason(value: unknown): boolean {
  return typeof value === 'string' && value.length <= controlReasonLengthMax
}

/** The version that a node wants to go to when it asks for a permit. */
export interface Going {
  readonly nodeId: string
  readonly version: Version
  /** Whether the version takes back what the one before brought (`takesBack`). */
  readonly isUndo: boolean
  /** `since` of the pause that the node's promotion passes, if any. */
  readonly passes?: number
}

/** Which control holds the node back, if any. */
export function holding(controls: readonly Control[], { nodeId, version, isUndo, passes }: Going): Control | undefined {
  const hold = controls.find((control) => control.kind === 'hold' && control.nodeId === nodeId)
  if (hold !== undefined || isUndo || isToldToGo(controls, nodeId, version)) return hold
  return controls.find((control) => control.kind === 'pause' && control.version === version && control.since !== passes)
}

export function isToldToGo(controls: readonly Control[], nodeId: string, version: Version): boolean {
  return controls.some((control) => control.kind === 'now' && control.nodeId === nodeId && control.version === version)
}

/** The token that stalled nodes compare: undefined as long as nobody has asked for a retry. */
export function retryToken(controls: readonly Control[], version: Version): string | undefined {
  for (const control of controls) if (control.kind === 'retry' && control.version === version) return control.token
  return undefined
}
