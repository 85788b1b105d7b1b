/**
 * The orders of upgraders, as an upgrade server carries them out: once each, and counted in a log (D1 and D2
 * of core/control/directive.ts).
 */
import { Fault } from '../../core/base/fault.js'
import { type DirectiveLog, decodeDirective, type WhyNotDirected } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signed } from '../../core/trust/signed.js'
import type { Change } from './audit.js'
import { badArguments } from './badArguments.js'
import type { InstalledHistory } from './installedHistory.js'

export interface OrdersOptions {
  readonly system: string
  readonly database: Pick<UpgradeDatabase, 'head' | 'direct' | 'directiveLog'>
  readonly clock: Clock
}

export class Orders {
  /** As it was seen last. */
  #log: DirectiveLog | undefined

  constructor(
    private readonly options: OrdersOptions,
    private readonly history: InstalledHistory,
    /** Hears of the log whenever it is read. */
    private readonly noticed: (log: DirectiveLog) => void,
  ) {}

  /** D2. A log that counts less than before has lost directives. */
  async log(): Promise<DirectiveLog> {
    this.#log = await this.options.database.directiveLog(this.#log)
    this.noticed(this.#log)
    return this.#log
  }

  /** The database has lost something: the log begins anew. */
  async beginAnew(): Promise<void> {
    this.#log = await this.options.database.directiveLog('lost')
  }

  /** Carries out what an upgrader orders, once. */
  async direct(bytes: unknown, signature: unknown, change: Change): Promise<unknown> {
    if (!(bytes instanceof Uint8Array)) throw badArguments('direct(directive, signature)')
    const { database, system, clock } = this.options
    const signed: Signed = { bytes, signature: signature instanceof Uint8Array ? signature : null }
    const directive = decodeDirective(bytes)
    if (directive.system !== system)
      throw new Fault('config.invalid', `the directive is for system ${directive.system}, this is ${system}`)
    const head = await database.head()
    const history = await this.history.at(head)
    change.by = history.checkDirective(directive, signed, clock.now())
    await this.log()
    const directed = await database.direct(directive, signed, head)
    change.isDone = directed.done
    if (directed.done) return { result: directed.result }
    const { why, log, earlier } = directed
    const message = `directive ${directive.number} is not carried out: ${whyNotDirected(why, log)}`
    // It may be asked twice, when its answer was lost: then this is the answer.
    throw new Fault('upgrade.conflict', message, { next: log.count + 1, ...(earlier === undefined ? {} : { earlier }) })
  }
}

function whyNotDirected(why: WhyNotDirected, { count }: DirectiveLog): string {
  switch (why) {
    case 'number':
      return `it is not the next one: that is ${count + 1}`
    case 'head':
      return 'it names another history than the newest version ends: sign it anew'
    case 'log':
      return 'it was made for another log of directives: the upgrade database was restarted or restored since. Sign it anew'
    case 'older':
      return 'it may be older than the last loss of the upgrade database. Sign it anew, on a machine whose clock is right'
  }
}
