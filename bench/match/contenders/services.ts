/**
 * NATS's own services API, of the client that Theseus uses: endpoints in a queue group with discovery and
 * statistics, called by `nc.request()`.
 */
import { connect } from 'nats'
import type { Member } from '../../processes/childProcess.js'
import { loads } from '../load.js'
import { type Method, methods } from '../values.js'
import { requests } from './bare.js'
import { packr } from './codec.js'
import { type Contender, callsOf } from './contender.js'

const group = 'bench-service'

export const services: Contender = {
  name: 'NATS services API',
  callee: 'services',
  loads: [loads.one, ...loads.closed, loads.paced, loads.records],
  enter: async ({ natsUrl }) => {
    const connection = await connect({ servers: natsUrl })
    return { ...callsOf(requests(connection, (method) => `${group}.${method}`)), close: () => connection.close() }
  },
}

export async function answerAsService(natsUrl: string): Promise<Member> {
  const connection = await connect({ servers: natsUrl })
  const service = await connection.services.add({ name: 'values', version: '1.0.0' })
  const endpoints = service.addGroup(group)
  for (const method of ['get', 'record'] as const) {
    endpoints.addEndpoint(method, (error, message) => {
      if (error !== null) throw error
      const [, args] = packr.unpack(message.data) as [Method, [string]]
      message.respond(packr.pack(methods[method](...args)))
    })
  }
  await connection.flush()
  return { close: () => connection.close() }
}
