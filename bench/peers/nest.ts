/**
 * NestJS microservices over NATS: a controller with message patterns, called through a client proxy, in its
 * default serializer (JSON).
 */

import { type Contender, callsOf } from '../match/contenders/contender.js'
import { loads } from '../match/load.js'
import { methods } from '../match/values.js'
import type { Member } from '../processes/childProcess.js'
import { load } from './packages.js'

interface Observable {
  readonly isObservable: unique symbol
}

interface Microservices {
  readonly Transport: { readonly NATS: number }
  readonly MessagePattern: (pattern: string) => MethodDecorator
  readonly ClientProxyFactory: {
    create(options: object): {
      connect(): Promise<unknown>
      send(pattern: string, data: unknown): Observable
      close(): unknown
    }
  }
}

interface Common {
  readonly Module: (parts: object) => ClassDecorator
  readonly Controller: () => ClassDecorator
  readonly Logger: { overrideLogger(logger: false): void }
}

interface Core {
  readonly NestFactory: {
    createMicroservice(module: unknown, options: object): Promise<{ listen(): Promise<void>; close(): Promise<void> }>
  }
}

interface Rxjs {
  readonly firstValueFrom: (answer: Observable) => Promise<unknown>
}

const packages = {
  microservices: '@nestjs/microservices',
  common: '@nestjs/common',
  core: '@nestjs/core',
  rxjs: 'rxjs',
  nats: '@nats-io/transport-node',
} as const

export const nest: Contender = {
  name: 'NestJS microservices',
  callee: 'nest',
  loads: [loads.one, ...loads.closed, loads.paced, loads.records],
  packages: Object.values(packages),
  enter: async ({ natsUrl }) => {
    const { ClientProxyFactory, Transport } = await load<Microservices>(packages.microservices)
    // Its words when its connection closes would be among the results.
    const { Logger } = await load<Common>(packages.common)
    Logger.overrideLogger(false)
    const { firstValueFrom } = await load<Rxjs>(packages.rxjs)
    const client = ClientProxyFactory.create({ transport: Transport.NATS, options: { servers: [natsUrl] } })
    await client.connect()
    return {
      ...callsOf((method, key) => firstValueFrom(client.send(`values.${method}`, key))),
      close: () => client.close(),
    }
  },
}

export async function answerAsNest(natsUrl: string): Promise<Member> {
  const { MessagePattern, Transport } = await load<Microservices>(packages.microservices)
  const { Module, Controller } = await load<Common>(packages.common)
  const { NestFactory } = await load<Core>(packages.core)

  @Controller()
  class ValuesController {
    @MessagePattern('values.get') get(key: string): unknown {
      return methods.get(key)
    }

    @MessagePattern('values.record') record(key: string): unknown {
      return methods.record(key)
    }
  }

  @Module({ controllers: [ValuesController] })
  class ValuesModule {}

  const service = await NestFactory.createMicroservice(ValuesModule, {
    transport: Transport.NATS,
    options: { servers: [natsUrl] },
    logger: false,
  })
  await service.listen()
  return { close: () => service.close() }
}
