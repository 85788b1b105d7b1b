/** The directives of an operator: orders that are signed, and carried out once by an upgrade server. */
import { Fault, isFault } from '../../core/base/fault.js'
import { formats } from '../../core/base/formats.js'
import type { Version } from '../../core/base/ids.js'
import { rfc3339 } from '../../core/base/instant.js'
import { type Control, type ControlName, checkControl } from '../../core/control/control.js'
import { directiveOf, encodeDirective, type Order, type OrderResult } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import { isSamePace, ownPace, type Pace } from '../../core/schedules/rolloutPace.js'
import { type Signed, signed } from '../../core/trust/signed.js'
import { identityAt } from '../../core/trust/trust.js'
import type { HostSettings } from '../base/settings.js'
import type { Signing } from '../base/tokens.js'
import type { UpgradeServerClient } from '../history/upgradeServerClient.js'
import type { Documents } from './documents.js'

/** How often an order is tried when another one comes in between. */
const orderTriesMax = 5

export interface DirectiveServices {
  readonly clock: Clock
  readonly settings: Pick<HostSettings, 'system'>
  readonly database: Pick<UpgradeDatabase, 'forget' | 'controls'>
  readonly server: Pick<UpgradeServerClient, 'head' | 'direct'>
  readonly signing: Pick<Signing, 'upgraders' | 'trust'>
  readonly documents: Documents
}

export class Directives {
  constructor(private readonly services: DirectiveServices) {}

  /** @param reason why, where the control does not say it */
  async set(control: Control, reason = ''): Promise<void> {
    checkControl(control)
    try {
      await this.direct({ order: 'set', control }, reason)
    } catch (error) {
      if (!isUnknownOrder(error)) throw error
      const message = `the upgrade server is of an older release, which knows no ${control.kind}: update the upgrade servers`
      throw new Fault('config.invalid', message, {}, { cause: error })
    }
  }

  async remove(control: ControlName, reason = ''): Promise<boolean> {
    return (await this.direct({ order: 'remove', control }, reason)) === true
  }

  /** A promotion passes the pause that is in force when it is ordered. */
  async promote(version: Version, percent: number | null, reason: string): Promise<void> {
    const controls = await this.services.database.controls()
    const pause = controls.find((control) => control.kind === 'pause' && control.version === version)
    const past = percent === null ? null : (pause?.since ?? null)
    const since = this.services.clock.now()
    await this.set({ kind: 'promote', format: formats.pace.newest, version, percent, past, reason, since })
  }

  async changePace(version: Version, pace: Pace, reason: string): Promise<void> {
    if (isSamePace(pace, ownPace)) {
      await this.remove({ kind: 'pace', version }, reason)
      return
    }
    const { probability, everyMs, bakeMs } = pace
    const since = this.services.clock.now()
    await this.set({ kind: 'pace', format: formats.pace.newest, version, probability, everyMs, bakeMs, reason, since })
  }

  async forget(nodeId: string, reason = ''): Promise<void> {
    try {
      await this.direct({ order: 'forget', nodeId }, reason)
    } catch (error) {
      if (!isUnknownOrder(error)) throw error
      await this.#forgetAsBefore(nodeId)
    }
  }

  async #forgetAsBefore(nodeId: string): Promise<void> {
    try {
      await this.services.database.forget(nodeId)
    } catch (error) {
      if (isFault(error) && error.details.why !== 'refused') throw error
      const message = `node ${nodeId} is not forgotten: the upgrade server is of an older release, which knows no such order, and this login may not remove nodes: update the upgrade servers`
      throw new Fault('config.invalid', message, {}, { cause: error })
    }
    for (const control of await this.services.database.controls()) {
      if (!('nodeId' in control) || control.nodeId !== nodeId) continue
      try {
        await this.remove(control)
      } catch (error) {
        if (!isFault(error)) throw error
        const message = `node ${nodeId} is forgotten, but a ${control.kind} of it is left, which only a directive removes: ${error.message}`
        throw new Fault(error.code, message, error.details, { cause: error })
      }
    }
  }

  /** Signs the order and has it carried out, once: whoever comes in between takes its number. */
  async direct(what: Order, reason = ''): Promise<unknown> {
    return (await this.directed(what, reason)).result
  }

  /** The same, with the document that was signed. */
  async directed(what: Order, reason = ''): Promise<{ readonly result: unknown; readonly document: Signed }> {
    const { clock, documents, server, settings, signing } = this.services
    const { upgraders, trust } = signing
    let isReadByAll = true
    for (let tries = 1; ; tries++) {
      const { version, directives, log, digest } = await server.head()
      const identity = identityAt(trust, version + 1)
      const order = {
        system: settings.system,
        number: directives + 1,
        what,
        createdAt: rfc3339(clock.now()),
        upgrader: upgraders[0]?.publicKey ?? null,
        ...(reason === '' ? {} : { reason }),
      }
      const bytes = encodeDirective(directiveOf(order, digest, isReadByAll ? log : null, identity))
      const document = signed('directive', bytes, ...documents.signers(identity))
      try {
        return { result: await documents.send({ purpose: 'directive', ...document }), document }
      } catch (error) {
        if (!isFault(error) || tries >= orderTriesMax) throw error
        const result = resultBefore(error)
        if (result !== undefined) return { result, document }
        // Of several upgrade servers, one of release 0.1.0 may have been asked.
        const isTooNew = error.code === 'config.invalid' && isReadByAll && identity === null
        if (isTooNew) isReadByAll = false
        else if (error.code !== 'upgrade.conflict') throw error
      }
    }
  }

  async sendSigned(directive: Signed): Promise<OrderResult> {
    try {
      return (await this.services.server.direct(directive)) as OrderResult
    } catch (error) {
      const result = resultBefore(error)
      if (result === undefined) throw error
      return result
    }
  }
}

/** How an upgrade server, of whichever release, refuses an order that it does not know. */
const unknownOrder = 'it orders nothing that there is'

function isUnknownOrder(error: unknown): boolean {
  return isFault(error) && error.code === 'config.invalid' && error.message.includes(unknownOrder)
}

/** The result of the very same order before, where its answer was lost. */
function resultBefore(error: unknown): OrderResult | undefined {
  if (!isFault(error) || error.code !== 'upgrade.conflict') return undefined
  return (error.details as { readonly earlier?: { readonly result: OrderResult } }).earlier?.result
}
