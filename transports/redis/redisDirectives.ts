/** The directives in Redis: their log, and the newest of them as they were signed. */
import { Fault } from '../../core/base/fault.js'
import { checkControl, controlKey } from '../../core/control/control.js'
import {
  type Directed,
  type Directive,
  type DirectiveLog,
  firstDirectiveFormat,
  type Order,
  type WhyNotDirected,
} from '../../core/control/directive.js'
import { checkDeath, type Head } from '../../core/control/upgradeDatabase.js'
import { checkTable } from '../../core/model/tables.js'
import type { Signed } from '../../core/trust/signed.js'
import { bufferOf, type RedisConnection } from './redisConnection.js'
import { jsonText } from './redisJson.js'
import type { RedisKeys } from './redisKeys.js'

type Keys = Pick<
  RedisKeys,
  'nodes' | 'controls' | 'tables' | 'table' | 'head' | 'final' | 'directives' | 'directiveCount' | 'directiveLog'
>

export class RedisDirectives {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
  ) {}

  async directives(): Promise<number> {
    return Number((await this.redis.call((client) => client.get(this.keys.directiveCount))) ?? '0')
  }

  async directiveLog(doubt?: DirectiveLog | 'lost'): Promise<DirectiveLog> {
    const { nodes, directiveCount, directiveLog } = this.keys
    const seen = doubt === 'lost' ? ['*', 0] : [doubt?.id ?? '', doubt?.count ?? 0]
    const keys = [...nodes, directiveCount, directiveLog]
    const [id, count] = (await this.redis.run('theseusDirectiveLog', keys, ...seen)) as [string, number]
    return { id, count }
  }

  async direct(directive: Directive, { bytes, signature }: Signed, head: Head): Promise<Directed> {
    const { nodes, controls, tables, final, directives, directiveCount, directiveLog } = this.keys
    const { what, number, createdAt } = directive
    const entries = 'table' in what ? this.keys.table(what.table) : tables
    const named = directive.format === firstDirectiveFormat ? ['', ''] : [directive.head ?? '', directive.log]
    const order = orderArguments(what)
    const { answer: found, unreplicated } = await this.redis.runKept(
      'theseusDirect',
      [...nodes, controls, tables, entries, this.keys.head, final, directives, directiveCount, directiveLog],
      ...[number, head.digest ?? '', ...named, Date.parse(createdAt) || 0],
      ...[text(bytes), signature === null ? 'null' : `"${text(signature)}"`, ...order],
    )
    const answer = found as [number, string, string, number, string?]
    // Nobody gives an order back. One that is asked twice is answered once replicas have it, too.
    const missing = answer[0] === 1 || answer[4] !== undefined ? await unreplicated() : undefined
    if (missing !== undefined) {
      const message = `directive ${number} is carried out, but ${missing}: a fail-over now would lose it. Look at the replicas`
      throw new Fault('timeout.deadline', message, { replicas: missing })
    }
    if (answer[0] === 1) return { done: true, result: JSON.parse(answer[1]) }
    const [, why, id, count, earlier] = answer
    return {
      done: false,
      why: why as WhyNotDirected,
      log: { id, count },
      earlier: earlier === undefined ? undefined : { result: JSON.parse(earlier) },
    }
  }

  async recentDirectives(): Promise<readonly Signed[]> {
    const kept = await this.redis.call((client) => client.lrange(this.keys.directives, 0, -1))
    return kept.map(keptDirective)
  }
}

/** The order as the script takes it. Throws what the methods of the same effect throw. */
function orderArguments(what: Order): readonly (string | number)[] {
  switch (what.order) {
    case 'set':
      checkControl(what.control)
      return ['set', controlKey(what.control), jsonText(what.control)]
    case 'remove':
      return ['remove', controlKey(what.control)]
    case 'setInTable':
      checkTable(what.table, what.key, what.value)
      return ['setInTable', what.table, what.key, what.value]
    case 'removeFromTable':
      checkTable(what.table, what.key)
      return ['removeFromTable', what.table, what.key]
    case 'finalize':
      checkDeath(what.version, 0)
      return ['finalize', what.version]
    case 'forget':
      return ['forget', what.nodeId]
    case 'backup':
    case 'restore':
    case 'record':
      return ['note']
  }
}

/** An item that upgrade servers have not written there is no directive, and an auditor should see it. */
function keptDirective(item: string): Signed {
  try {
    const [bytes, signature] = JSON.parse(item) as [string, string | null]
    return {
      bytes: new Uint8Array(Buffer.from(bytes, 'base64')),
      signature: signature === null ? null : new Uint8Array(Buffer.from(signature, 'base64')),
    }
  } catch {
    return { bytes: new Uint8Array(Buffer.from(item)), signature: null }
  }
}

function text(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('base64')
}
