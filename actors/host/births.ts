/**
 * Which messages make a node of a sharded service that has never been: a command, or where the class says so
 * (`birth = 'explicit'`) only a command that is marked for it. The class of the version decides that the
 * caller speaks of, so an upgrade may change it: callers of the old version make nodes as before.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { Message } from '../../core/ports/transport.js'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { within } from '../base/timeouts.js'
import type { HostServices } from '../node/node.js'

/** `unknown`: that version is not loaded here yet. */
export type Bears = 'yes' | 'no' | 'unknown'

export class Births {
  constructor(
    private readonly definition: NodeClass,
    private readonly services: HostServices,
  ) {}

  /** Throws `protocol.bad-envelope`. */
  of(nodeId: string, { payload }: Message): Bears {
    const each = envelopesIn(payload).map((envelope) => this.#bears(nodeId, envelope))
    return each.includes('yes') ? 'yes' : each.includes('unknown') ? 'unknown' : 'no'
  }

  /** Loads the versions that it speaks of. Throws `unavailable.no-such-node` unless it makes the node. */
  async check(nodeId: string, message: Message): Promise<void> {
    if (this.of(nodeId, message) === 'unknown')
      for (const { label } of envelopesIn(message.payload)) await this.#know(nodeId, label)
    const bears = this.of(nodeId, message)
    // A version that can't be had: by the class that this host brings.
    const envelopes = envelopesIn(message.payload)
    if (bears === 'yes' || (bears === 'unknown' && envelopes.some(({ method }) => this.#isSaidToBear(method)))) return
    throw this.noSuchNode(nodeId)
  }

  noSuchNode(nodeId: string): Fault {
    const { service, birth } = describeClass(this.definition)
    const advice = birth === 'explicit' ? ': a command that is marked with "creates" makes it' : ''
    return new Fault('unavailable.no-such-node', `there is no node ${nodeId} in service ${service}${advice}`, { nodeId })
  }

  #bears(nodeId: string, { label, method, refusal }: CallEnvelope): Bears {
    const { classes } = this.services
    if (refusal !== undefined) return 'no'
    try {
      const { creating } = describeClass(classes.definitionAt(this.#lineage(nodeId), label))
      return creating.has(method) ? 'yes' : 'no'
    } catch {
      return 'unknown'
    }
  }

  /** Before the version is here, a method that is new is a command, unless nodes are born explicitly. */
  #isSaidToBear(method: string): boolean {
    const { methods, creating, birth } = describeClass(this.definition)
    return birth === 'explicit' ? creating.has(method) : methods.get(method) !== 'query'
  }

  #lineage(nodeId: string): readonly string[] {
    const { classes, settings } = this.services
    return classes.lineage(describeClass(this.definition).className, { nodeId, facts: settings.facts })
  }

  /** Loads the upgrades up to this version, if there is such a one. */
  async #know(nodeId: string, label: Version): Promise<void> {
    const { clock, history, intake, settings } = this.services
    const late = () => new Fault('upgrade.fetch', `version ${label} did not come in time`)
    const known = async () => {
      if (!(await history.knows(label))) return
      await intake.upTo(label, 0, () => this.#lineage(nodeId))
    }
    await within(clock, settings.serverDeadlineMs, known(), late).catch(() => {})
  }
}

function envelopesIn(payload: Uint8Array): readonly CallEnvelope[] {
  return decode(payload).filter(
    (envelope): envelope is CallEnvelope => envelope.kind === kinds.call || envelope.kind === kinds.send,
  )
}
