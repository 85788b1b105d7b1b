/**
 * Questions to the upgrade servers: ordinary calls to their subject, without a version (the
 * infrastructure has none).
 */

import { inject, injectable } from 'tsyringe'
import { isDigest } from '../../core/base/digest.js'
import { Fault, isFault } from '../../core/base/fault.js'
import { release } from '../../core/base/formats.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import { newestLevel } from '../../core/base/level.js'
import { type DeniedCalls, deniedReport } from '../../core/control/deniedCalls.js'
import { isLogId } from '../../core/control/directive.js'
import type { Head } from '../../core/control/upgradeDatabase.js'
import { upgradeServerName } from '../../core/inspection/telemetry.js'
import type { MethodKind } from '../../core/model/methods.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signed } from '../../core/trust/signed.js'
import { isTrustMark, type TrustMark } from '../../core/trust/trustMark.js'
import { chunkOf } from '../../core/upgrade/bundleParts.js'
import { chunkCount, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { type Subjects, subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { CallTable } from '../calls/callTable.js'
import type { Pace } from '../calls/outgoingCall.js'
import { BundleFetches } from './bundleFetches.js'
import { fetchChunk, giveChunk } from './chunkPieces.js'

export interface EndedVersions {
  readonly dead: Version
  readonly final: Version
  readonly trust?: TrustMark
}

const noneEnded: EndedVersions = { dead: 0, final: 0 }

/** An upgrade server, as it answers. */
export interface ServerIdentity {
  readonly server: string | null
  /** Its clock, in milliseconds since 1970. */
  readonly now: number
  /** The trust that it tells; null where it does not tell. */
  readonly trust: TrustMark | null
}

/** Manifests asked for at once. */
export const manifestsAtOnce = 16

@injectable()
export class UpgradeServerClient {
  readonly #subjects: Subjects
  readonly #bundles = new BundleFetches((digest, index, length) => this.#askChunk(digest, index, length))

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(CallTable) private readonly calls: CallTable,
  ) {
    this.#subjects = subjectsOf(settings.system)
  }

  /**
   * `ended`: what is dead and final as this host knows it, for a server that may have lost it, and whom it
   * trusts. Throws `config.other-trust` where the server trusts others. Answers the newest version, below
   * which version all are dead, which is the newest that nobody goes back from, how many directives there
   * have been, and which bundles were lost.
   */
  async head(ended: EndedVersions = noneEnded): Promise<
    Head & {
      readonly dead: Version
      readonly final: Version
      readonly directives: number
      /** Of the directives; null where the server tells of none. */
      readonly log: string | null
      readonly wanted: readonly string[]
      /**
       * A death or finality that it told and that no version can have: taken for none. Null
       * where there is none such.
       */
      readonly nonsense: string | null
    }
  > {
    const answer = ((await this.#ask('head', [{ ...ended, release, reads: newestLevel }])) ?? {}) as Record<string, unknown>
    const { version, digest, dead = 0, final = 0, directives = 0, log = null, wanted = [] } = answer
    if (!isVersion(version) || (digest !== null && !isDigest(digest))) throw unreadable('head')
    const isOver = (found: unknown): found is Version => isVersion(found) && found <= version
    const says = `the upgrade server says that versions below ${shown(dead)} are dead and version ${shown(final)} is final`
    const nonsense = isOver(dead) && isOver(final) ? null : `${says}, and the newest is ${version}: what can't be is ignored`
    if (!Array.isArray(wanted) || !wanted.every(isDigest)) throw unreadable('head')
    if (typeof directives !== 'number' || !Number.isSafeInteger(directives) || directives < 0) throw unreadable('head')
    if (log !== null && !isLogId(log)) throw unreadable('head')
    const sane = { dead: isOver(dead) ? dead : 0, final: isOver(final) ? final : 0 }
    return { version, digest, ...sane, directives, log, wanted, nonsense }
  }

  /**
   * Which of the servers answered, and its clock, in milliseconds since 1970. Null of one that does not tell.
   */
  async who(): Promise<ServerIdentity | null> {
    let answer: unknown
    try {
      answer = await this.#ask('who', [])
    } catch (error) {
      if (isFault(error) && error.code === 'protocol.no-such-method') return null
      throw error
    }
    const { server, now, trust } = (answer ?? {}) as Record<string, unknown>
    if (typeof now !== 'number') return null
    return { server: typeof server === 'string' ? server : null, now, trust: isTrustMark(trust) ? trust : null }
  }

  /**
   * Throws unless what changes the history reaches an upgrade server. Changes nothing: no
   * method has this name.
   */
  async reachInstall(): Promise<void> {
    try {
      await this.#change('nothing', [])
    } catch (error) {
      if (!isFault(error) || error.code !== 'protocol.no-such-method') throw error
    }
  }

  /** Manifests `from` to `to`, both included. Throws `upgrade.fetch` if one is missing. */
  async manifests(from: Version, to: Version): Promise<readonly SignedManifest[]> {
    const all: SignedManifest[] = []
    while (all.length < to - from + 1) {
      const next = from + all.length
      const last = Math.min(to, next + manifestsAtOnce - 1)
      const answer = await this.#ask('manifests', [next, last])
      if (!Array.isArray(answer) || answer.length > last - next + 1) throw unreadable('manifests')
      if (answer.length === 0) throw new Fault('upgrade.fetch', `the upgrade server has no manifest of version ${next}`)
      for (const item of answer) {
        if (!Array.isArray(item) || !(item[0] instanceof Uint8Array)) throw unreadable('manifests')
        all.push({ bytes: item[0], signature: item[1] instanceof Uint8Array ? item[1] : null })
      }
    }
    return all
  }

  /**
   * A bundle. Throws `upgrade.digest` when it is not what its manifest says; where it can't be had whole, the
   * next try goes on there.
   */
  bundle(bundle: Manifest['bundle']): Promise<Uint8Array> {
    return this.#bundles.fetch(bundle)
  }

  async putBundle(digest: string, bundle: Uint8Array): Promise<void> {
    await inChunks(bundle, (index, chunk) =>
      giveChunk(chunk, this.calls.payloadBytesMax, (...piece) => this.#change('putChunk', [digest, index, ...piece])),
    )
  }

  /**
   * Gives back a manifest that the upgrade server has lost, or shows one that is not its own:
   * then it throws `upgrade.forked`.
   */
  async restoreManifest(manifest: SignedManifest): Promise<void> {
    await this.#teach('teach', [manifest.bytes, manifest.signature])
  }

  /** Gives back a bundle that it misses. */
  async restoreBundle(digest: string, bundle: Uint8Array): Promise<void> {
    await inChunks(bundle, (index, chunk) =>
      giveChunk(chunk, this.calls.payloadBytesMax, (...piece) => this.#teach('teachChunk', [digest, index, ...piece])),
    )
  }

  /** Tells of calls that were denied; asked once, for they are counted. */
  async denied(denied: readonly DeniedCalls[]): Promise<void> {
    await this.#answerOf(this.#subjects.teach, 'teachDenials', [deniedReport(denied)], { kind: 'command' })
  }

  /**
   * Has a directive carried out, and answers what came of it. Throws `upgrade.conflict` when it
   * is not the next one any more.
   */
  async direct({ bytes, signature }: Signed): Promise<unknown> {
    const { result } = ((await this.#change('direct', [bytes, signature])) ?? {}) as Record<string, unknown>
    return result
  }

  /** Installs the next version. Throws `upgrade.conflict` when it does not follow the newest one any more. */
  async install(manifest: SignedManifest): Promise<void> {
    await this.#change('install', [manifest.bytes, manifest.signature])
  }

  /** An upgrade server of release 0.1.0 is taught where it is asked. */
  async #teach(method: string, args: readonly unknown[]): Promise<unknown> {
    try {
      return await this.#answerOf(this.#subjects.teach, method, args)
    } catch (error) {
      if (!isFault(error) || error.code !== 'unavailable.no-responders') throw error
      return this.#ask(method, args)
    }
  }

  #ask(method: string, args: readonly unknown[]): Promise<unknown> {
    return this.#answerOf(this.#subjects.server, method, args)
  }

  /**
   * A server that is busy serves those who wait in the order in which they came: asking more often gets
   * nobody anything earlier.
   */
  #askChunk(digest: string, index: number, length: number): Promise<unknown> {
    const { chunkDeadlineMs, chunkResendMs, backoffMs, backoffMsMax } = this.settings
    const pace: Pace = { resendMs: chunkResendMs, pauseMs: backoffMs, pauseMsMax: backoffMsMax }
    return fetchChunk(length, (from) =>
      this.#answerOf(this.#subjects.server, 'chunk', [digest, index, from], { deadlineMs: chunkDeadlineMs, pace }),
    )
  }

  #change(method: string, args: readonly unknown[]): Promise<unknown> {
    return this.#answerOf(this.#subjects.install, method, args)
  }

  async #answerOf(subject: string, method: string, args: readonly unknown[], how: Asking = {}): Promise<unknown> {
    try {
      return await this.#call(subject, method, args, how)
    } catch (error) {
      if (!isFault(error) || error.code !== 'unavailable.no-responders') throw error
      const { system } = this.settings
      throw new Fault(
        error.code,
        `no upgrade server of system ${system} answers: start one with startUpgradeServer() or "natsctl up"; is the name right?`,
      )
    }
  }

  #call(subject: string, method: string, args: readonly unknown[], how: Asking): Promise<unknown> {
    const { hostId, serverDeadlineMs } = this.settings
    // Most questions may be asked twice: installing the same manifest again is answered as done.
    const { deadlineMs = serverDeadlineMs, pace, kind = 'query' } = how
    return this.calls.call(
      { nodeId: hostId, incarnation: this.calls.incarnation, className: 'Host', version: 0 },
      {
        subject,
        label: 0,
        method,
        kind,
        args,
        deadline: this.clock.monotonicMs() + deadlineMs,
        expects: null,
        path: null,
        service: upgradeServerName,
        asksServer: true,
        trace: null,
        ...(pace === undefined ? {} : { pace }),
      },
    )
  }
}

interface Asking {
  readonly deadlineMs?: number
  readonly pace?: Pace
  readonly kind?: MethodKind
}

async function inChunks(bundle: Uint8Array, send: (index: number, chunk: Uint8Array) => Promise<unknown>): Promise<void> {
  for (let index = 0; index < chunkCount(bundle.length); index++) await send(index, chunkOf(bundle, index)!)
}

/** It may be anything, and as long as it likes. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value
}

function unreadable(what: string): Fault {
  return new Fault('upgrade.fetch', `the upgrade server's answer to "${what}" can't be read`)
}
