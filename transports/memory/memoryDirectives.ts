/** The directives in memory: their log, and the newest of them as they were signed. */
import {
  type Directed,
  type Directive,
  type DirectiveLog,
  directivesKeptMax,
  firstDirectiveFormat,
  type Order,
  type OrderResult,
  type WhyNotDirected,
} from '../../core/control/directive.js'
import type { Head } from '../../core/control/upgradeDatabase.js'
import type { Signed } from '../../core/trust/signed.js'
import { copyOf, type MemorySystem, type SystemData } from './memorySystem.js'

export class MemoryDirectives {
  constructor(
    private readonly system: Pick<MemorySystem, 'data' | 'clock' | 'server'>,
    private readonly carryOut: (order: Order) => OrderResult,
  ) {}

  count(): number {
    return this.system.data().directiveLog?.count ?? 0
  }

  log(doubt?: DirectiveLog | 'lost'): NonNullable<SystemData['directiveLog']> {
    const system = this.system.data()
    const found = system.directiveLog
    const { server } = this.system
    const isLess = (seen: DirectiveLog) => found === undefined || (seen.id === found.id && found.count < seen.count)
    const epoch = system.attendance?.epoch ?? null
    // An epoch that is the first one is no loss.
    const isOther = found !== undefined && (found.run !== server.run || (found.epoch !== null && found.epoch !== epoch))
    const isLost = isOther || doubt === 'lost' || (doubt !== undefined && isLess(doubt))
    if (found !== undefined && !isLost) {
      if (found.epoch === epoch) return found
      system.directiveLog = { ...found, epoch }
      return system.directiveLog
    }
    const now = this.system.clock.now()
    const id = `memory-${now}-${++server.logs}`
    system.directiveLog = { id, count: found?.count ?? 0, run: server.run, epoch, sinceMs: isLost ? now : 0 }
    return system.directiveLog
  }

  direct(directive: Directive, signed: Signed, head: Head): Directed {
    const system = this.system.data()
    const log = this.log()
    const { number } = directive
    const earlier = system.directives.find((kept) => kept.number === number && isSame(kept.bytes, signed.bytes))
    const no = (why: WhyNotDirected): Directed => ({
      done: false,
      why,
      log: { id: log.id, count: log.count },
      earlier: earlier && { result: earlier.result },
    })
    if (head.digest !== system.head.digest) return no('head')
    if (directive.format !== firstDirectiveFormat) {
      if (directive.head !== head.digest) return no('head')
      if (directive.log !== log.id) return no('log')
    } else if (!(Date.parse(directive.createdAt) >= log.sinceMs) && log.sinceMs > 0) return no('older')
    if (number !== log.count + 1) return no('number')
    const result = this.carryOut(directive.what)
    system.directiveLog = { ...log, count: number }
    system.directives = [...system.directives, { ...copyOf(signed), number, result }].slice(-directivesKeptMax)
    return { done: true, result }
  }

  recent(): readonly Signed[] {
    return this.system.data().directives.map(({ bytes, signature }) => ({ bytes, signature }))
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
