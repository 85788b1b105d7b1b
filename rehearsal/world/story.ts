/** The story of a plan: the stage is set up, steps come, troubles end, and everything must come to rest. */
import { audit } from './audit.js'
import { type BackupContext, restore } from './backup.js'
import { type CallStep, makeCall } from './calls.js'
import type { Cluster } from './cluster.js'
import { auditCode } from './code/codeAudit.js'
import { opOf } from './code/operationIds.js'
import { HostProcess } from './hostProcess.js'
import type { OrderChecker } from './operations/orderChecker.js'
import { pinWhenDead } from './operations/pins.js'
import type { Step } from './plan.js'
import type { ProcessEnvironment } from './processEnvironment.js'
import type { ProcessFault } from './processFault.js'
import { type AuditContext, untilQuiescent } from './quiescence.js'
import { ServerProcess } from './serverProcess.js'
import type { Troubles, TroublesContext } from './troubles.js'
import type { VirtualTime } from './virtualTime.js'

/** The longest a plan may take to set up its stage, and to come to rest after its troubles. */
const setUpWithinMs = 20_000

export interface StoryContext extends TroublesContext, AuditContext, BackupContext, ProcessEnvironment {
  readonly time: VirtualTime
  allNodes: Cluster['allNodes']
  readonly sharded: Cluster['sharded']
  readonly plan: ProcessEnvironment['plan']
  readonly hosts: Map<string, HostProcess>
  readonly troubles: Troubles
  readonly orders: OrderChecker
  /** The processes that wait for the answer to a call: with each of them ends its call. */
  readonly callsUnderWay: ProcessFault[]
  /** Nothing was violated so far. */
  isAsItMust(): boolean
  /** The troubles are over. */
  heal(): void
}

export async function story(world: StoryContext): Promise<void> {
  await setUp(world)
  const beganMs = world.time.elapsedMs
  world.trace('the plan begins')
  world.plan.steps.forEach((step, i) => {
    world.time.after(step.atMs, () => perform(world, step, i))
  })
  if (world.plan.backup !== null) world.time.after(world.plan.backup.atMs, () => world.host(world.plan.backup!.host).makeBackup())
  await world.time.sleep(world.plan.healAtMs - (world.time.elapsedMs - beganMs))
  // A host that stops takes its nodes no further.
  world.code.endless.check(world.allNodes().filter(({ plan }) => world.hosts.get(plan.host)?.running !== undefined))
  world.heal()
  world.trace('the troubles are over')
  await world.troubles.end()
  if (world.plan.habits.includes('tables')) for (const nodeId of world.nodes.keys()) world.permit(nodeId)
  await untilQuiescent(world)
  const { version } = await world.database.head()
  if (version !== world.plan.upgrades.length)
    world.violated('C9', `${world.plan.upgrades.length} upgrades were published, and the newest version is ${version}`)
  world.orders.check()
  if (world.isAsItMust()) await audit(world)
  if (world.isAsItMust()) await auditCode(world)
  const { backup } = world.plan
  if (world.isAsItMust() && backup !== null && world.areAllAt(version)) {
    await restore(world, world.host(backup.host))
    await untilQuiescent(world)
    if (world.isAsItMust()) await audit(world)
  }
  if (world.isAsItMust() && world.areAllAt(version)) {
    await world.operators.finish(world.auditor()!, (rule, what) => world.violated(rule, what))
    await audit(world)
  }
}

async function setUp(world: StoryContext): Promise<void> {
  for (const name of world.plan.servers) {
    const server = new ServerProcess(name, world)
    world.servers.set(name, server)
    server.start()
  }
  for (const name of [...world.plan.clients, ...world.plan.hosts]) {
    const host = new HostProcess(name, world)
    world.hosts.set(name, host)
    host.start()
  }
  for (const node of world.plan.nodes) world.addNode(node)
  while (world.allNodes().some(({ handle }) => handle === undefined) || (world.sharded?.restless().length ?? 0) > 0) {
    if (world.time.elapsedMs > setUpWithinMs) throw new Error('the nodes of the plan do not start')
    await world.time.sleep(20)
  }
}

function perform(world: StoryContext, step: Step, i: number): void {
  switch (step.kind) {
    case 'call':
      call(world, step, opOf(i))
      return
    case 'publish':
      for (const client of world.plan.clients.slice(0, step.publishers)) void world.operators.publish(client, step.version)
      return
    case 'pinDead':
      void pinWhenDead(world, step, (asked) => call(world, asked, opOf(i)))
      return
    default:
      world.trace(`${opOf(i)} ${JSON.stringify(step)}`)
      world.troubles.begin(step)
  }
}

function call(world: StoryContext, step: CallStep, op: string): void {
  const client = world.hosts.get(step.client)!.running
  if (client === undefined) return
  const open = world.host(step.client).processFault
  world.callsUnderWay.push(open)
  const beganMs = world.time.elapsedMs
  makeCall(world, client, op, step).then(
    () => {
      world.callsUnderWay.splice(world.callsUnderWay.indexOf(open), 1)
      if ((step.asked.what === 'announce' || step.asked.what === 'rumour') && world.model.wasAnswered(op))
        world.events.announced(op, step, beganMs, world.time.elapsedMs)
    },
    (error) => world.violated('world', error instanceof Error ? (error.stack ?? error.message) : String(error)),
  )
}
