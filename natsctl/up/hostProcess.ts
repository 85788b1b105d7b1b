/**
 * One host of `natsctl up`, as a process of its own: waits for its order, runs the nodes, and
 * ends with everything on disk when it is told to, or when whoever started it is gone. Not a
 * command: `natsctl up` starts it.
 */
import { join } from 'node:path'
import pino from 'pino'
import { createHost, type HostEvent, type HostObserver, type NodeClass, type RunningHost } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { reasonOf } from 'theseus-actors/operator'
import { pinoObserver } from 'theseus-actors/pino'
import type { MetricsFactory } from 'theseus-actors/ports'
import { redis } from 'theseus-actors/redis'
import { importModule, shareOwnModules } from '../build/ownModules.js'
import { natsOptionsOf } from '../context/flags.js'
import type { HostMessage, HostOrder } from './hostMessages.js'
import type { HostConfig } from './upConfig.js'
import { neighboursOption } from './upNeighbours.js'

function tell(message: HostMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(message, () => resolve())
    else resolve()
  })
}

shareOwnModules()

async function classesOf(order: HostOrder): Promise<Map<string, NodeClass>> {
  const { id, module, nodes } = order.host
  const exported = await importModule(order.host.path, order.directory).catch((error: unknown) => {
    throw new Error(`hosts.${id}.module: ${module} can't be loaded: ${reasonOf(error)}`)
  })
  const classes = Object.keys(exported).filter((name) => typeof exported[name] === 'function')
  return new Map(
    nodes.map((node) => {
      if (classes.includes(node.exportName)) return [node.id, exported[node.exportName] as NodeClass]
      const found = classes.length === 0 ? 'no class' : classes.join(', ')
      throw new Error(`hosts.${id}.nodes.${node.id}: ${module} exports no class "${node.exportName}"; it exports ${found}`)
    }),
  )
}

async function run(order: HostOrder): Promise<RunningHost> {
  const { host, system, directory } = order
  const classes = await classesOf(order)
  const running = await createHost({
    system,
    production: order.production,
    hostId: host.id,
    transport: nats(natsOptionsOf(order.nats)),
    udb: redis(order.redis),
    state: lmdb(join(directory, 'state')),
    bundles: join(directory, 'bundles'),
    facts: host.facts,
    ...(order.trust === undefined ? {} : { trust: order.trust }),
    ...neighboursOption(order.neighbours),
    observe: order.log === 'json' ? logOf(order) : warnOf,
    ...(host.metrics === undefined ? {} : { metrics: await metricsOf(host, host.metrics) }),
  })
  try {
    const nodes = await startNodes(running, host, classes)
    await tell({ type: 'up', nodes })
    return running
  } catch (error) {
    await running.stop()
    throw error
  }
}

function startNodes(running: RunningHost, { id, nodes }: HostConfig, classes: Map<string, NodeClass>) {
  return Promise.all(
    nodes.map(async (node) => {
      const { className, version } = await running.node(classes.get(node.id)!, node.id).catch((error: unknown) => {
        throw new Error(`hosts.${id}.nodes.${node.id}: ${reasonOf(error)}`)
      })
      return { id: node.id, className, version }
    }),
  )
}

function warnOf(event: HostEvent): void {
  if (event.type === 'nodeFailed') void tell({ type: 'warning', text: `node ${event.nodeId} failed: ${reasonOf(event.error)}` })
  if (event.type === 'forked')
    void tell({
      type: 'warning',
      text: `version ${event.version} has two manifests, ${event.ours} here and ${event.theirs} there`,
    })
  if (event.type === 'warning') void tell({ type: 'warning', text: `${event.message}: ${reasonOf(event.error)}` })
}

function logOf({ host, system }: HostOrder): HostObserver {
  return pinoObserver(
    pino({ base: { system, host: host.id } }, { write: (line) => void tell({ type: 'log', line: line.trimEnd() }) }),
  )
}

/** prom-client is for those who ask for metrics. */
async function metricsOf({ id }: HostConfig, port: number): Promise<MetricsFactory> {
  const { prometheus } = await import('theseus-actors/prometheus').catch((error: unknown) => {
    throw new Error(
      `hosts.${id}.metrics: the package prom-client is needed for it: "npm install prom-client" (${reasonOf(error)})`,
    )
  })
  return prometheus({ port })
}

/** Installed before anything is loaded, so that an order to end is never lost. */
let hasToStop = false
let running: Promise<RunningHost> | undefined

async function stop(): Promise<void> {
  if (hasToStop) return
  hasToStop = true
  let exitCode = 0
  try {
    await (await running)?.stop()
  } catch (error) {
    exitCode = 1
    await tell({ type: 'warning', text: `it did not end well: ${reasonOf(error)}` })
  }
  // A user's module may have timers and sockets of its own.
  process.exit(exitCode)
}

process.once('SIGTERM', stop).once('SIGINT', stop).once('disconnect', stop)
process.once('message', (order) => {
  running = run(order as HostOrder)
  running.catch(async (error: unknown) => {
    await tell({ type: 'refused', reason: reasonOf(error) })
    process.exit(1)
  })
})
