/** H2: under which names, and for whose pages, a server of ours answers. */
import test from 'ava'
import { type HttpPlace, refusalOf, targetOf } from '../../core/base/httpGuard.js'

const status = (host: string | undefined, place: HttpPlace, origin?: string) => refusalOf({ host, origin }, place)?.status
const local: HttpPlace = { listen: '127.0.0.1' }
const open: HttpPlace = { listen: '0.0.0.0', hosts: ['metrics.example.com'] }

test('on the loopback interface, the names and addresses of that interface are answered and no others', (t) => {
  for (const own of ['127.0.0.1', '127.0.0.1:9464', 'localhost:1', 'LOCALHOST', '127.9.9.9:80', '[::1]:9464', '[::1]', undefined])
    t.is(status(own, local), undefined, own)
  for (const other of [
    'attacker.example',
    'attacker.example:9464',
    'localhost.attacker.example',
    '127.0.0.1.attacker.example',
    'x',
    '',
    '10.0.0.1',
    '[fe80::1]',
  ])
    t.is(status(other, local), 421, other)
  for (const odd of [
    '127.0.0.1:9464@attacker.example',
    'attacker.example#127.0.0.1',
    '[::1',
    '127.0.0.1:',
    '127.0.0.1:123456',
    'a b',
    ' 127.0.0.1',
    'local host',
  ])
    t.is(status(odd, local), 421, odd)
  // However it was told where to listen.
  for (const listen of ['localhost', '::1', '127.1.2.3']) {
    for (const own of ['localhost', '127.0.0.1:1', '[::1]:1']) t.is(status(own, { listen }), undefined, `${listen} ${own}`)
    for (const other of ['x', '10.0.0.1', '[fe80::1]']) t.is(status(other, { listen }), 421, `${listen} ${other}`)
  }
  t.is(status('host.internal', { listen: '127.0.0.1', hosts: ['Host.Internal'] }), undefined)
})

test('where others are to reach it, addresses and names of the own network are answered, and names that are said', (t) => {
  for (const own of [
    '10.1.2.3:9464',
    '[fd00::1]:9464',
    'shop-1:9464',
    'metrics.example.com',
    'METRICS.example.com:80',
    '0.0.0.0',
    'localhost:9464',
    '[::ffff:10.1.2.3]:9464',
  ])
    t.is(status(own, open), undefined, own)
  for (const other of ['attacker.example', 'example.com', 'x.metrics.example.com', 'metrics.example.com.attacker.example'])
    t.is(status(other, open), 421, other)
  for (const odd of ['a b', '[::1', '127.0.0.1:', '10.1.2.3@attacker.example', '']) t.is(status(odd, open), 421, odd)
  t.is(status('shop.example.com', { listen: 'shop.example.com' }), undefined)
  t.is(status('attacker.example', { listen: '0.0.0.0', hosts: 'any' }), undefined)
})

test('pages of other sites are not answered, whatever the name', (t) => {
  t.is(status('127.0.0.1:1', local, 'http://127.0.0.1:1'), undefined)
  t.is(status('127.0.0.1:1', local, 'http://localhost:3000'), undefined)
  for (const origin of ['https://evil.example', 'null', '', 'file://', 'http://127.0.0.1.evil.example'])
    t.is(status('127.0.0.1:1', local, origin), 403, origin)
})

test('a target is a path or nothing, and no text makes it throw', (t) => {
  t.is(targetOf('/a/b?node=p%201&x')?.path, '/a/b')
  t.is(targetOf('/a/b?node=p%201&x')?.query.get('node'), 'p 1')
  t.is(targetOf('/a/b?node=p%201&x')?.query.toString(), 'node=p+1&x=')
  t.is(targetOf('/a?b?c')?.query.toString(), 'b%3Fc=')
  t.is(targetOf('/a??b=1')?.query.toString(), '%3Fb=1')
  t.is(targetOf('/a??b=1')?.path, '/a')
  t.deepEqual([targetOf('/a\n?b\n?c')?.path, targetOf('/a\n?b\n?c')?.query.toString()], ['/a\n', 'b%0A%3Fc='])
  t.is(targetOf('//')?.path, '//')
  for (const target of ['//', '///', '/\\', '/%', '/%zz?%zz', '/?', '/a?b?c', '/[', '/:x', '/\u0000', '/#'])
    t.truthy(targetOf(target), target)
  for (const target of [undefined, '', '*', 'http://x/', 'x', '?', '\\', 'x:80']) t.is(targetOf(target), undefined, target)
})
