/**
 * A node that one upgrade goes through, step by step: it writes down what it is told to do, over a state and
 * a journal in memory.
 */

import { isConcerned } from '../../actors/history/classRegistry.js'
import { Intake } from '../../actors/history/intake.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState, type RootHolder } from '../../actors/state/nodeState.js'
import { NodeUpgrade } from '../../actors/upgrade/nodeUpgrade.js'
import type { UpgradingNode } from '../../actors/upgrade/upgradingNode.js'
import type { Fault } from '../../core/base/fault.js'
import type { Control } from '../../core/control/control.js'
import { type Generation, keys, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import type { Gate } from '../support/testSystem.js'
import { open as openPermit } from './claiming.js'
import { ownerOf } from './mailboxOwner.js'
import { toV2, type UpgradeParts } from './notesClasses.js'

export const never = new AbortController().signal
export const born: Generation = { number: 0, version: 0, className: 'Notes.v1', object: '0.0', simulations: {} }

/** The orders to the node, in this sequence, and the data that it stands on. */
export interface Options extends UpgradeParts {
  readonly record?: Partial<NodeRecord>
  readonly target?: number
  /** Versions that undo the one before. */
  readonly undos?: readonly number[]
  readonly isAtDeadVersion?: boolean
}

export async function open({ record = {}, target = 1, undos = [], isAtDeadVersion = false, ...parts }: Options = {}) {
  const { clock, services: permits, permit, holders, database, factory } = await openPermit()
  const memory = memoryStore()
  const store = await memory.open()
  const journal = new Journal(store, clock)
  const log: string[] = []
  const holder: RootHolder = { state: {} }
  /** The gate that a step waits for, or its error. */
  const steps = new Map<string, Gate | Error>()
  const step = async (name: string) => {
    log.push(name)
    const found = steps.get(name)
    if (found instanceof Error) throw found
    await found?.pass()
  }
  const state = new NodeState('n1', journal, {
    lazyOf: () => undefined,
    rulesOf: () => ({}),
    recordFailed() {},
    stateLost: () => void log.push('lost'),
  })
  const first: NodeRecord = {
    format: 2,
    nodeId: 'n1',
    service: 'pages',
    facts: {},
    incarnation: 1,
    oldest: 0,
    newest: 1,
    generation: born,
    previous: null,
    upgrade: null,
    ...record,
  }
  const recordStore = new NodeRecordStore(first, state, journal, { dead: 0 })
  recordStore.write(first)
  for (const of of ['0.0', ...Object.values(first.generation.simulations)] as StateSlot[])
    state.write(keys.root('n1', of), pack({ notes: ['one'], mood: 'calm' }))
  const mailbox = new Mailbox(
    clock,
    100,
    ownerOf((error) => void log.push(`thrown ${error}`)),
  )
  mailbox.open()
  const upgrade = toV2(parts).classUpgrades[0]!
  let controls: readonly Control[] = []
  const waiting = new Set<() => void>()
  // An undo brings back the class from before the version that it undoes.
  const lineage = (): readonly string[] => {
    const line = ['Notes.v1']
    for (let version = 1; version <= 3; version++)
      line.push(services.history.undoOf(version - 1) === version ? line[Math.max(0, version - 2)]! : 'Notes.v2')
    return line
  }
  const undoes = (version: number) => (undos.includes(version) ? version - 1 : null)
  const services = {
    ...permits,
    store,
    journal,
    nodeRowCache: { nodes: async () => [] },
    observe: (event: { type: string; message?: string }) =>
      void log.push(`${event.type}${event.message ? ` ${event.message}` : ''}`),
    settings: { ...permits.settings, advanceTimeoutMs: 500, sweepKeysPerCommit: 1 },
    controls: {
      get latest() {
        return controls
      },
      until: (holds: (found: readonly Control[]) => boolean, signal: AbortSignal) =>
        new Promise((resolve, reject) => {
          const look = () => void (holds(controls) && resolve(controls))
          waiting.add(look)
          signal.addEventListener('abort', () => {
            waiting.delete(look)
            reject(signal.reason)
          })
          look()
        }),
    },
    history: {
      newest: 1,
      manifests: [],
      undoes,
      isRewind: () => false,
      takesBack: (version: number) => undos.includes(version),
      undoOf: (version: number): number | null => (undos.includes(version + 1) ? version + 1 : null),
      fetch: (version: number) => step(`fetch ${version}`),
      load: (version: number) => step(`load ${version}`),
    },
    classes: {
      undoes: (_: unknown, version: number) => undoes(version),
      isHeldBack: () => false,
      lineage,
      classUpgrade: () => upgrade,
      loadStep: async (line: readonly string[], version: number) => {
        if (isConcerned(line, version)) await step(`load ${version}`)
      },
    },
  }
  const intake = new Intake(services.history as never, services.classes as never)
  const control = (...found: readonly Control[]) => {
    controls = found
    for (const look of waiting) look()
  }
  const software = {
    rejected: undefined as Fault | undefined,
    make(generation: Generation) {
      log.push(`make ${generation.version}`)
      const context = {
        silent: false,
        hush() {
          context.silent = true
        },
        speak() {
          context.silent = false
        },
        stop: () => void log.push('stop new'),
      }
      state.open(generation.object, holder)
      return { instance: { selfCheck: () => step(`check${context.silent ? ' silently' : ''}`) }, context }
    },
    install: (object: { context: { silent: boolean } }) => void log.push(object.context.silent ? 'install silent' : 'install'),
    async runStart(kept: () => void) {
      await step('run start')
      kept()
    },
    start: () => step('start old'),
    stop: (ms: number) => step(`stop old ${ms}`),
    discard: () => void log.push('discard'),
    rebuildChain: () => void log.push('chain'),
  }
  const node = {
    id: 'n1',
    services: Object.assign(services, { intake }),
    recordStore,
    state,
    software,
    mailbox,
    learning: {
      prepare: (version: number) => step(`learn ${version}`),
      reconsider: () => step('reconsider'),
    },
    permit: permit(),
    rulesOf: () => ({}),
    calls: { answered: 0, failed: 0 },
    isUpgrading: false,
    isEnding: false,
    isAtDeadVersion,
    whenRestarted: () => step('restarted'),
    crash: (error: unknown) => void log.push(`crash ${(error as Error).message}`),
    serve: () => void log.push('serve'),
    beginUpgrade() {
      node.isUpgrading = true
    },
    serveAfterUpgrade() {
      node.isUpgrading = false
      log.push('serve')
    },
    crashInUpgrade(error: unknown) {
      node.isUpgrading = false
      log.push(`crash ${(error as Error).message}`)
    },
    async close() {
      log.push('close')
      await mailbox.close()
    },
    leaveService: () => step('leave'),
    report: (...told: readonly unknown[]) => void log.push(told.join(' ')),
  }
  const commit = async () => {
    clock.endTurn()
    await journal.idle()
  }
  /** Waits for what commits meanwhile. */
  const through = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const watched = work.finally(() => {
      isOver = true
    })
    watched.catch(() => {})
    for (let i = 0; i < 200 && !isOver; i++) {
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return await watched
  }
  /** Lets what is under way go as far as it can. */
  const passing = async () => {
    for (let i = 0; i < 50; i++) {
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await commit()
  const onDisk = () => unpack(store.get(keys.record('n1'))!) as NodeRecord
  const root = (of: StateSlot) => {
    const bytes = store.get(keys.root('n1', of))
    return bytes && unpack(bytes)
  }
  /** Takes what was done since the last time. */
  const done = () => log.splice(0).filter((entry) => entry !== 'restarted')
  const all = () => log.splice(0)
  const effects = new NodeUpgrade(node as unknown as UpgradingNode, target)
  return {
    ...{
      clock,
      memory,
      journal,
      state,
      recordStore,
      mailbox,
      node,
      services,
      software,
      steps,
      effects,
      control,
      commit,
      through,
      passing,
    },
    ...{ onDisk, root, done, all, holders, database, factory, holder },
  }
}

export const message = (text: string) => ({ message: text })
export const retry = (token: string): Control => ({ kind: 'retry', version: 1, token, since: 0 })

/** Through to the new generation, whole on disk. */
export async function transformed(options: Options = {}) {
  const opened = await open(options)
  const { effects, through, done } = opened
  await through(effects.claim(never))
  await through(effects.drain())
  await through(effects.transform())
  done()
  return opened
}
