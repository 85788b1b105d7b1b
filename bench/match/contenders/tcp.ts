/**
 * Plain TCP: frames of a length and MessagePack from one process to the other. The cost of a call without a
 * server between them.
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Member } from '../../processes/childProcess.js'
import { loads } from '../load.js'
import { methods } from '../values.js'
import { leanBatching } from './batches.js'
import { packr } from './codec.js'
import { type Ask, type Contender, callsOf } from './contender.js'

const lengthBytes = 4

export const tcp: Contender = {
  name: 'plain TCP',
  callee: 'tcp',
  loads: [loads.one, ...loads.closed, loads.paced, loads.records],
  enter: async ({ address }) => {
    const socket = connect(Number(address), '127.0.0.1')
    await once(socket, 'connect')
    return { ...callsOf(frameCalls(socket)), close: () => socket.destroy() }
  },
}

function frameCalls(socket: Socket): Ask {
  const open = new Map<number, (answer: unknown) => void>()
  const send = sender(socket)
  let calls = 0
  onFrames(socket, (frame) => {
    const { seq, value } = leanBatching.readAnswer(packr.unpack(frame) as unknown[])
    const resolve = open.get(seq)!
    open.delete(seq)
    resolve(value)
  })
  return (method, key) =>
    new Promise((resolve) => {
      const seq = ++calls
      open.set(seq, resolve)
      send(leanBatching.call(seq, method, [key]))
    })
}

export async function answerFrames(): Promise<Member> {
  const server = createServer((socket) => {
    const send = sender(socket)
    onFrames(socket, (frame) => {
      const { seq, method, args } = leanBatching.readCall(packr.unpack(frame) as unknown[])
      send(leanBatching.answer(seq, methods[method](...args)))
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: String((server.address() as AddressInfo).port), close: () => server.close() }
}

/** Frames of one turn leave in one write, as those of the NATS client do. */
function sender(socket: Socket): (envelope: readonly unknown[]) => void {
  let isCorked = false
  socket.setNoDelay(true)
  const uncork = (): void => {
    isCorked = false
    socket.uncork()
  }
  return (envelope) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      process.nextTick(uncork)
    }
    const payload = packr.pack(envelope)
    const length = Buffer.allocUnsafe(lengthBytes)
    length.writeUInt32BE(payload.length)
    socket.write(length)
    socket.write(payload)
  }
}

function onFrames(socket: Socket, hear: (frame: Uint8Array) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (data.length - at >= lengthBytes) {
      const end = at + lengthBytes + data.readUInt32BE(at)
      if (data.length < end) break
      hear(data.subarray(at + lengthBytes, end))
      at = end
    }
    rest = data.subarray(at)
  })
}
