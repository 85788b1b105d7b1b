/** The settings of the streams of logs and of snapshots: new ones are made so, others are checked. */
import { isRecord } from './jetStreamAnswer.js'
import type { StreamNames } from './streamNames.js'

export type StreamUse = 'log' | 'snapshots'

/**
 * No message carries an id, so nothing is looked up in the window. The server's own default is two minutes.
 */
const duplicateWindowNs = 1_000_000_000

type Settings = Readonly<Record<string, unknown>>

/** The settings of a stream that is to be made. */
export function newStream(use: StreamUse, { stream, subject }: StreamNames, replicas: number): Settings {
  return {
    name: stream,
    subjects: [subject],
    retention: 'limits',
    storage: 'file',
    num_replicas: replicas,
    discard: 'new',
    max_age: 0,
    max_bytes: -1,
    max_msgs: -1,
    max_msg_size: -1,
    // A slice that was sent twice, because its acknowledgement was lost, takes room once.
    max_msgs_per_subject: use === 'log' ? -1 : 1,
    max_consumers: -1,
    duplicate_window: duplicateWindowNs,
    no_ack: false,
    allow_direct: true,
    allow_rollup_hdrs: false,
    // An entry in the middle can't be taken out, not even by an operator. Purging is needed to trim.
    deny_delete: use === 'log',
    deny_purge: false,
  }
}

export interface WrongSetting {
  readonly setting: string
  readonly found: unknown
  readonly needed: string
  /** The options of `nats stream edit` that mend it. Undefined: no edit can. */
  readonly edit: string | undefined
}

interface Rule {
  readonly setting: string
  isRight(found: unknown): boolean
  readonly needed: string
  readonly edit?: string
}

/** The server leaves out a setting that has its zero. */
const isOff = (found: unknown): boolean => found === undefined || found === false
const isNone = (found: unknown): boolean => found === undefined || found === null
const isUnlimited = (found: unknown): boolean => typeof found !== 'number' || found <= 0

/**
 * A limit of bytes or messages is an operator's affair: with `discard: new` it refuses entries, and deletes
 * none.
 */
function rulesOf(use: StreamUse, { subject }: StreamNames, replicas: number): readonly Rule[] {
  return [
    {
      setting: 'subjects',
      isRight: (found) => isList(found, [subject]),
      needed: `["${subject}"]`,
      edit: `--subjects '${subject}'`,
    },
    { setting: 'storage', isRight: (found) => found === 'file', needed: '"file"' },
    { setting: 'retention', isRight: (found) => found === 'limits', needed: '"limits"' },
    { setting: 'discard', isRight: (found) => found === 'new', needed: '"new"', edit: '--discard new' },
    {
      setting: 'num_replicas',
      isRight: (found) => typeof found === 'number' && found >= replicas,
      needed: `${replicas} or more`,
      edit: `--replicas ${replicas}`,
    },
    { setting: 'max_age', isRight: isUnlimited, needed: '0', edit: '--max-age 0s' },
    use === 'log'
      ? { setting: 'max_msgs_per_subject', isRight: isUnlimited, needed: '-1', edit: '--max-msgs-per-subject=-1' }
      : { setting: 'max_msgs_per_subject', isRight: (found) => found === 1, needed: '1', edit: '--max-msgs-per-subject=1' },
    { setting: 'allow_direct', isRight: (found) => found === true, needed: 'true', edit: '--allow-direct' },
    { setting: 'allow_rollup_hdrs', isRight: isOff, needed: 'false', edit: '--no-allow-rollup' },
    { setting: 'deny_purge', isRight: isOff, needed: 'false' },
    ...(use === 'log'
      ? [{ setting: 'deny_delete', isRight: (found: unknown) => found === true, needed: 'true', edit: '--deny-delete' }]
      : []),
    { setting: 'no_ack', isRight: isOff, needed: 'false', edit: '--ack' },
    { setting: 'sealed', isRight: isOff, needed: 'false' },
    { setting: 'mirror', isRight: isNone, needed: 'none' },
    { setting: 'sources', isRight: (found) => isNone(found) || isList(found, []), needed: 'none' },
    // Of later servers.
    { setting: 'subject_transform', isRight: isNone, needed: 'none' },
    { setting: 'first_seq', isRight: (found) => isUnlimited(found) || found === 1, needed: '0' },
    { setting: 'allow_msg_ttl', isRight: isOff, needed: 'false' },
    { setting: 'allow_msg_counter', isRight: isOff, needed: 'false' },
    { setting: 'persist_mode', isRight: (found) => isNone(found) || found === 'default', needed: '"default"' },
  ]
}

/** The settings of a stream that is there and can't be used as it is. */
export function wrongSettings(config: unknown, use: StreamUse, names: StreamNames, replicas: number): readonly WrongSetting[] {
  const found = isRecord(config) ? config : {}
  return rulesOf(use, names, replicas)
    .filter(({ setting, isRight }) => !isRight(found[setting]))
    .map(({ setting, needed, edit }) => ({ setting, found: found[setting], needed, edit }))
}

/** One line: the settings that are wrong, and the command that mends them. */
export function wrongSettingsLine({ stream }: StreamNames, wrong: readonly WrongSetting[]): string {
  const settings = wrong.map(
    ({ setting, found, needed }) => `${setting} is ${JSON.stringify(found) ?? 'not set'}, and must be ${needed}`,
  )
  const isMendable = wrong.every(({ edit }) => edit !== undefined)
  const advice = isMendable
    ? `run nats stream edit ${stream} ${wrong.map(({ edit }) => edit).join(' ')}`
    : `no edit can change that: if nothing in it is needed, run nats stream rm ${stream}, and it is made anew`
  return `the stream ${stream} can't be used: ${settings.join('; ')}. To mend it, ${advice}`
}

function isList(found: unknown, wanted: readonly unknown[]): boolean {
  return Array.isArray(found) && found.length === wanted.length && found.every((one, at) => one === wanted[at])
}
