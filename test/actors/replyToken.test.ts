import test from 'ava'
import { numberOfToken, replyToken } from '../../actors/calls/replyToken.js'
import { isPublishable } from '../../core/ports/transport.js'
import { seededRandom } from '../../transports/seededRandom.js'

test('a message is found again by the last token of its reply subject, whatever its number', (t) => {
  const random = seededRandom(14)
  const chances = Array.from({ length: 1_000 }, () => Math.floor(random.next() * 2 ** 53))
  for (const number of [0, 1, 31, 32, 2 ** 30 - 1, 2 ** 30, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1, ...chances]) {
    const token = replyToken(number)
    t.is(numberOfToken(token), number)
    t.true(isPublishable(`_INBOX.${token}`), token)
  }
})

test('different numbers have different tokens, all of one length', (t) => {
  const tokens = Array.from({ length: 4_096 }, (_, i) => replyToken(i * (2 ** 41 + 7)))
  t.is(new Set(tokens).size, tokens.length)
  t.deepEqual([...new Set(tokens.map((token) => token.length))], [11])
})

test('a text that is no token is the number of no message', (t) => {
  for (const text of ['', 'z', '*', ' ']) t.true(Number.isNaN(numberOfToken(text)), text)
})
