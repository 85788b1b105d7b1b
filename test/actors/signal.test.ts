/** News of one part for those above it. */
import test from 'ava'
import { Signal } from '../../actors/base/signal.js'

test('news goes to all who listen, at once, in the order in which they subscribed', (t) => {
  const signal = new Signal<number>()
  const heard: string[] = []
  signal.emit(1)
  signal.on((news) => heard.push(`first ${news}`))
  signal.on((news) => heard.push(`second ${news}`))
  signal.emit(2)
  t.deepEqual(heard, ['first 2', 'second 2'])
})
