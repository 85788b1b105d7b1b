/**
 * The commands of natsctl, each with the module that has it. Only the module of the command that is typed is
 * loaded: help, and a mistyped word, are there at once.
 */
import type { Program } from './output/program.js'

export interface CommandEntry {
  readonly name: string
  /** As its module has it. */
  readonly description: string
  /** The heading in the help of natsctl. */
  readonly group: string
  readonly load: () => Promise<(program: Program, perform: Perform) => void>
}

/** Carries out one command, with the words after `natsctl`. */
export type Perform = (words: readonly string[]) => Promise<number>

const begin = 'To begin'
const upgrades = 'Upgrades'
const rollouts = 'Rollouts'
const parts = 'The system and its parts'
const trust = 'Keys, orders and records'
const tools = 'natsctl itself'

function entry(group: string, name: string, description: string, load: CommandEntry['load']): CommandEntry {
  return { name, description, group, load }
}

export const commandTable: readonly CommandEntry[] = [
  entry(
    begin,
    'new',
    'a start for a service, or for an upgrade, in this repository',
    async () => (await import('./new/new.js')).addNew,
  ),
  entry(
    begin,
    'demo',
    'a live upgrade under load, in this process, without any server; or a command in front of it',
    async () => {
      const { addDemo } = await import('./demo/demo.js')
      return (program, perform) => addDemo(program, perform as Parameters<typeof addDemo>[1])
    },
  ),
  entry(
    begin,
    'up',
    'run a local system until Ctrl-C: servers, an upgrade server, and hosts',
    async () => (await import('./up/up.js')).addUp,
  ),
  entry(
    upgrades,
    'upgrade',
    'build, compare, plan, publish and list upgrades',
    async () => (await import('./commands/upgrade.js')).addUpgrade,
  ),
  entry(
    upgrades,
    'version',
    'which versions live, and who needs them',
    async () => (await import('./commands/version.js')).addVersion,
  ),
  entry(
    upgrades,
    'history',
    'the installed versions: by whom, when and why',
    async () => (await import('./commands/history.js')).addHistory,
  ),
  entry(
    rollouts,
    'rollout',
    'how far an upgrade has come, and back',
    async () => (await import('./commands/rollout.js')).addRollout,
  ),
  entry(
    rollouts,
    'explain',
    'the reason why a node, or the whole rollout, waits: on whom, since when, and what would move it',
    async () => (await import('./commands/explain.js')).addExplain,
  ),
  entry(
    rollouts,
    'inspect',
    'a local page that shows the whole rollout: lanes, statecharts, chains, calls per version',
    async () => (await import('./inspect/inspect.js')).addInspect,
  ),
  entry(
    rollouts,
    'events',
    'what happened: versions, orders, pauses, deaths; and with --follow what happens to nodes',
    async () => (await import('./orders/events.js')).addEvents,
  ),
  entry(parts, 'node', 'the registered nodes', async () => (await import('./commands/node.js')).addNode),
  entry(parts, 'host', 'the hosts and upgrade servers of a system', async () => (await import('./commands/host.js')).addHost),
  entry(parts, 'service', 'where the nodes of a service live', async () => (await import('./shards/service.js')).addService),
  entry(parts, 'shard', 'the shards of sharded services', async () => (await import('./shards/shard.js')).addShard),
  entry(
    parts,
    'system',
    'the system as a whole: the formats that it writes',
    async () => (await import('./commands/system.js')).addSystem,
  ),
  entry(
    parts,
    'table',
    'the upgrade-specific tables, which scheduling functions may read',
    async () => (await import('./commands/table.js')).addTable,
  ),
  entry(
    parts,
    'call',
    'call a method of a node, or of any node of a service',
    async () => (await import('./commands/call.js')).addCall,
  ),
  entry(
    parts,
    'record',
    'write a sample of the calls that services receive to a file, for "upgrade check --with"',
    async () => (await import('./record/record.js')).addRecord,
  ),
  entry(
    parts,
    'doctor',
    'check servers, permissions, clocks, versions and nodes, and say what to do',
    async () => (await import('./doctor/doctor.js')).addDoctor,
  ),
  entry(
    parts,
    'backup',
    'write what nobody else can restore of the upgrade database to a file, or a copy of state',
    async () => (await import('./commands/backup.js')).addBackup,
  ),
  entry(
    parts,
    'restore',
    'give the upgrade database what it is missing of a backup, or restore a copy of state',
    async () => (await import('./commands/restore.js')).addRestore,
  ),
  entry(
    trust,
    'orders',
    'who ordered what, when and why, and whether it was carried out',
    async () => (await import('./orders/orders.js')).addOrders,
  ),
  entry(
    trust,
    'audit',
    'the orders: by whom, from where, and what came of them',
    async () => (await import('./commands/audit.js')).addAudit,
  ),
  entry(
    trust,
    'order',
    'an order that several sign: a file that a command with --to wrote',
    async () => (await import('./commands/order.js')).addOrder,
  ),
  entry(
    trust,
    'key',
    'make an upgrader’s key, and look at its public part',
    async () => (await import('./commands/key.js')).addKey,
  ),
  entry(
    trust,
    'upgrader',
    'the keys that may install upgrades',
    async () => (await import('./commands/upgrader.js')).addUpgrader,
  ),
  entry(
    trust,
    'trust',
    'the trust root of a system: its identity, its keys, and how many have to sign',
    async () => (await import('./commands/trustRoot.js')).addTrust,
  ),
  entry(
    tools,
    'context',
    'the contexts of the NATS command line, and the system of each',
    async () => (await import('./commands/context.js')).addContext,
  ),
  entry(
    tools,
    'completion',
    'a script that completes commands, flags and live names',
    async () => (await import('./completion/completionScript.js')).addCompletion,
  ),
]
