/**
 * The servers of `natsctl inspect` against requests that nobody should make, and what they tell
 * to others on the machine.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { servePage } from '../../natsctl/inspect/pageServer.js'
import { Recording } from '../../natsctl/inspect/recording.js'
import { recordingFormat } from '../../natsctl/inspect/recordingEntry.js'
import { RecordingFile } from '../../natsctl/inspect/recordingFile.js'
import { serveStately } from '../../natsctl/inspect/statelyServer.js'
import { streamsMax } from '../../natsctl/inspect/stream.js'
import { until } from '../support/eventually.js'
import { PseudoTerminal } from '../support/pseudoTerminal.js'
import { header } from '../support/rolloutRecording.js'
import { newDirectory, root } from './natsctlProcess.js'

async function serve(t: ExecutionContext) {
  const recording = new Recording(header())
  const server = await servePage(recording, { listen: '127.0.0.1', port: 0, isLive: true })
  const stately = serveStately(server, recording)
  t.teardown(async () => {
    stately.close()
    await server.close()
  })
  const { port } = new URL(server.url)
  return { server, stately, port: Number(port) }
}

/**
 * The first line of the answer; nothing where there is none. `reset`: the connection breaks as
 * soon as all is sent.
 */
function ask(port: number, text: string, reset = false): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(text, () => {
        if (reset) socket.resetAndDestroy()
      })
    })
    const end = () => resolve(answer.split('\r\n')[0]!)
    socket.on('data', (bytes) => {
      answer += bytes
      if (answer.includes('\r\n')) socket.destroy()
    })
    socket.on('error', end).on('close', end)
  })
}

const request = (target: string, more = '', host = '127.0.0.1') =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: ${more.includes('Upgrade') ? 'Upgrade' : 'close'}\r\n\r\n`
const upgrade = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

test('no request target ends the process, with an upgrade or without, answered or broken off', async (t) => {
  const { server, port } = await serve(t)
  for (const target of [
    '//',
    '///',
    '/\\',
    '/%',
    'http://',
    'http://[',
    '*',
    '/:',
    '//[::',
    `${server.base}//`,
    `${server.base}%`,
    `/${'x'.repeat(4000)}`,
  ])
    for (const more of ['', upgrade]) {
      t.regex(await ask(port, request(target, more)), /^(HTTP\/1\.1 [45]\d\d .*)?$/, target)
      await ask(port, request(target, more), true)
    }
  // A WebSocket with the right path that is broken off, and one that is none.
  await ask(port, request(`${server.base}stately`, upgrade), true)
  t.regex(await ask(port, request(`${server.base}stately`, 'Upgrade: websocket\r\n')), /^HTTP\/1\.1 4\d\d/)
  t.is((await fetch(server.url)).status, 200)
})

test('a page under a name of its own, or of another site, gets nothing even with the token', async (t) => {
  const { server, port } = await serve(t)
  t.regex(await ask(port, request(server.base)), /200/)
  t.regex(await ask(port, request(server.base, '', 'localhost:8080')), /200/)
  t.regex(await ask(port, request(server.base, '', 'attacker.example')), /421/)
  t.regex(await ask(port, request(server.base, 'Origin: https://evil.example\r\n')), /403/)
  const socket = `${server.base}stately`
  t.regex(await ask(port, request(socket, upgrade)), /101/)
  t.regex(await ask(port, request(socket, `${upgrade}Origin: http://127.0.0.1:${port}\r\n`)), /101/)
  t.regex(await ask(port, request(socket, `${upgrade}Origin: https://evil.example\r\n`)), /403/)
  t.regex(await ask(port, request(socket, upgrade, 'attacker.example')), /403/)
})

test('so many streams and WebSockets are open at once, and one that ends makes room', async (t) => {
  const { server, stately } = await serve(t)
  const stops: AbortController[] = []
  const open = async () => {
    const stop = new AbortController()
    const { status } = await fetch(`${server.url}rollout`, { signal: stop.signal })
    if (status === 200) stops.push(stop)
    else stop.abort()
    return status
  }
  for (let i = 0; i < streamsMax; i++) t.is(await open(), 200)
  t.is(await open(), 503)
  stops.pop()!.abort()
  await until(async () => (await open()) === 200, 'a stream that ended makes room')
  for (const stop of stops) stop.abort()
  const clients = Array.from({ length: 17 }, () => new WebSocket(stately.url))
  t.teardown(() => {
    for (const client of clients) client.terminate()
  })
  const outcomes = await Promise.all(
    clients.map(
      (client) =>
        new Promise<string>((resolve) =>
          client.once('open', () => resolve('open')).once('error', ({ message }) => resolve(message)),
        ),
    ),
  )
  t.deepEqual(
    outcomes.filter((outcome) => outcome !== 'open'),
    ['Unexpected server response: 503'],
  )
})

test('the token is in no command line: a browser is given a file that its owner alone can read', async (t) => {
  const cwd = newDirectory(t)
  const opened = join(cwd, 'opened')
  const fake = `#!/bin/sh\nfile="\${1#file://}"\nprintf '%s\\n' "$*" "$(stat -c %a "$file")" "$(stat -c %a "$(dirname "$file")")" > "${opened}.new"\ncat "$file" >> "${opened}.new"\nmv "${opened}.new" "${opened}"\n`
  writeFileSync(join(cwd, 'xdg-open'), fake, { mode: 0o755 })
  const recording = join(cwd, 'rollout.recording')
  const file = await RecordingFile.create(recording, { ...header(), format: recordingFormat })
  await file.close()
  const terminal = new PseudoTerminal(t, [process.execPath, join(root, 'dist/natsctl/main.js'), 'inspect', '--open', recording], {
    env: { DISPLAY: ':0', PATH: `${cwd}:${process.env.PATH}` },
    columns: 200,
  })
  const text = await until(() => {
    try {
      return readFileSync(opened, 'utf8')
    } catch {
      return undefined
    }
  }, 'the browser is opened')
  const [args, mode, directoryMode, page] = text!.split('\n')
  const [url, token] = /http:\/\/127\.0\.0\.1:\d+\/([\w-]{22})\//.exec(page!)!
  // The browser may be faster than the terminal.
  await until(() => terminal.raw.includes(url), 'the address is shown')
  t.false(args!.includes(token!))
  t.deepEqual([mode, directoryMode], ['600', '700'])
  terminal.press('\u0003')
  await terminal.shows(/ended with/)
  t.throws(() => readFileSync(args!.replace('file://', '')))
})
