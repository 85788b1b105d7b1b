/**
 * A process of its own: an embedded host is stopped while one of its nodes waits for an answer
 * that never comes.
 */
import { command, createHost, NodeObject } from 'theseus-actors'
import { memoryRepository, memoryStore } from 'theseus-actors/memory'

const asking = Promise.withResolvers<void>()

class AskerV1 extends NodeObject<object> {
  static override readonly className = 'Asker.v1'
  static override initial() {
    return {}
  }

  @command async ask(): Promise<void> {
    asking.resolve()
    await this.ref(AskerV1, 'nobody').ask()
  }
}

const host = await createHost({ system: 'stopping', state: memoryStore(), bundles: memoryRepository() })
await host.node(AskerV1, 'n1')
const answer = host.ref(AskerV1, 'n1', { deadline: 300 }).ask()
answer.catch(() => {})
await asking.promise
await host.stop()
console.log('stopped')
