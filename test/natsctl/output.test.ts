import test from 'ava'
import { argument } from '../../natsctl/commands/call.js'
import { natsOptionsOf } from '../../natsctl/context/flags.js'
import { age, oneLine, tableLines, toJson } from '../../natsctl/output/output.js'

test('the columns of a table are as wide as their widest cell, and no line ends with a space', (t) => {
  const lines = tableLines(
    ['NODE', 'PHASE', 'REASON'],
    [
      ['a-long-name', { text: 'stalled', style: 'red' }, 'why'],
      ['b', 'current', ''],
    ],
    false,
  )
  t.deepEqual(lines, ['NODE         PHASE    REASON', 'a-long-name  stalled  why', 'b            current'])
})

test('colours do not move the columns', (t) => {
  const [, line] = tableLines(['PHASE', 'NODE'], [[{ text: 'ok', style: 'green' }, 'a']], true)
  t.is(line, '\u001b[32mok\u001b[39m     a')
})

test('no control character of another machine reaches the terminal', (t) => {
  t.is(oneLine('up\u001b[2J\r\nand\u009b0m \u202eaway\u2028\n'), 'up [2J and 0m  away')
})

test('bytes are base64 in JSON, big integers decimal text, and nothing at all is null', (t) => {
  t.is(toJson({ bytes: Buffer.from('abc'), big: 2n ** 64n }), '{"bytes":"YWJj","big":"18446744073709551616"}')
  t.is(toJson(undefined), 'null')
})

test('an age is told in the two largest units that count', (t) => {
  t.deepEqual([-5, 59_999, 61_000, 3_660_000, 200_000_000].map(age), ['0s', '59s', '1m1s', '1h1m', '2d7h'])
})

test('an argument of a call is JSON where it is JSON, else text', (t) => {
  const texts = ['12', '-5', 'null', '{"a":[1]}', '"12"', '/home', '007', '']
  t.deepEqual(texts.map(argument), [12, -5, null, { a: [1] }, '12', '/home', '007', ''])
})

test('an address of NATS may name several servers and a login', (t) => {
  const { connectTimeoutMs, ...options } = natsOptionsOf('nats://me:p%40ss@one:4333, tls://two')
  t.deepEqual(options, { servers: ['nats://one:4333', 'nats://two:4222'], user: 'me', pass: 'p@ss', tls: {} })
  t.is(natsOptionsOf('nats://s3cret@one').token, 's3cret')
  t.throws(() => natsOptionsOf('http://me:secret@one'), { message: /^((?!secret).)*$/ })
})
