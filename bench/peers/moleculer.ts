/** Moleculer, with one of its two fastest serializers: a broker on each side, over NATS. */

import { type Contender, callsOf } from '../match/contenders/contender.js'
import { loads } from '../match/load.js'
import { methods } from '../match/values.js'
import type { Member } from '../processes/childProcess.js'
import { load } from './packages.js'

type Serializer = 'JSON' | 'Notepack'

interface Broker {
  start(): Promise<void>
  stop(): Promise<void>
  waitForServices(name: string): Promise<unknown>
  call(action: string, params: object): Promise<unknown>
  createService(schema: object): unknown
}

interface Moleculer {
  readonly default: { readonly ServiceBroker: new (options: object) => Broker }
}

const versions = ['0.14', '0.15'] as const
const serializers: readonly Serializer[] = ['JSON', 'Notepack']

const variants = versions.flatMap((version) => serializers.map((serializer) => ({ version, serializer })))

export const moleculer: readonly Contender[] = variants.map(({ version, serializer }) => ({
  name: nameOf(version, serializer),
  callee: nameOf(version, serializer),
  loads: [loads.one, ...loads.closed, loads.paced, loads.records],
  packages: [packageOf(version), 'nats', ...(serializer === 'Notepack' ? ['notepack.io'] : [])],
  enter: async ({ natsUrl }) => {
    const broker = await startBroker(version, serializer, natsUrl, 'caller', [])
    await broker.waitForServices('values')
    return { ...callsOf((method, key) => broker.call(`values.${method}`, { key })), close: () => broker.stop() }
  },
}))

/** Callees by the name of their contender. */
export const moleculerCallees: Readonly<Record<string, (natsUrl: string) => Promise<Member>>> = Object.fromEntries(
  variants.map(({ version, serializer }) => [
    nameOf(version, serializer),
    async (natsUrl: string) => {
      const broker = await startBroker(version, serializer, natsUrl, 'callee', [values])
      return { close: () => broker.stop() }
    },
  ]),
)

const values = {
  name: 'values',
  actions: {
    get: ({ params }: { params: { key: string } }) => methods.get(params.key),
    record: ({ params }: { params: { key: string } }) => methods.record(params.key),
  },
}

function nameOf(version: string, serializer: Serializer): string {
  return `Moleculer ${version}, ${serializer}`
}

function packageOf(version: string): string {
  return `moleculer-${version}`
}

async function startBroker(
  version: string,
  serializer: Serializer,
  natsUrl: string,
  nodeID: string,
  schemas: readonly object[],
): Promise<Broker> {
  const { ServiceBroker } = (await load<Moleculer>(packageOf(version))).default
  const broker = new ServiceBroker({
    ...options,
    namespace: namespaceOf(version, serializer),
    nodeID,
    transporter: natsUrl,
    serializer,
  })
  for (const schema of schemas) broker.createService(schema)
  await broker.start()
  return broker
}

/** Brokers of one namespace see each other. */
function namespaceOf(version: string, serializer: Serializer): string {
  return `bench-${version.replace('.', '-')}-${serializer}`
}

let ids = 0

/** Every option that costs a call anything is off; README.md says what was tried. */
const options = {
  logger: false,
  metrics: false,
  tracing: false,
  validator: false,
  requestTimeout: 0,
  contextParamsCloning: false,
  // NATS's queue groups choose the node.
  disableBalancer: true,
  internalServices: false,
  uidGenerator: () => `${process.pid}-${++ids}`,
}
