/** A node that learns versions, over a history that the test writes. */
import 'reflect-metadata'
import { defaultSettings } from '../../actors/base/settings.js'
import { Intake } from '../../actors/history/intake.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { type LearningNode, NodeLearning } from '../../actors/upgrade/nodeLearning.js'
import type { Fault } from '../../core/base/fault.js'
import { type Generation, keys, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { memoryStore } from '../../transports/memory/index.js'
import type { Gate } from '../support/testSystem.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'
import { toV2 } from './notesClasses.js'

export const born: Generation = { number: 0, version: 0, className: 'Notes.v1', object: '0.0', simulations: {} }

export interface Options {
  readonly record?: Partial<NodeRecord>
  readonly undos?: readonly number[]
  readonly upgrade?: Partial<ClassUpgrade>
}

export async function open({ record = {}, undos = [], upgrade = {} }: Options = {}) {
  const clock = new ManualClock()
  const memory = memoryStore()
  const store = await memory.open()
  const journal = new Journal(store, clock)
  const log: string[] = []
  const steps = new Map<string, Gate | Error>()
  const step = async (name: string) => {
    log.push(name)
    const found = steps.get(name)
    if (found instanceof Error) throw found
    await found?.pass()
  }
  const state = new NodeState('n1', journal)
  const first: NodeRecord = {
    format: 2,
    nodeId: 'n1',
    service: 'pages',
    facts: {},
    incarnation: 1,
    oldest: 0,
    newest: 0,
    generation: born,
    previous: null,
    upgrade: null,
    ...record,
  }
  /** Versions that the upgrade server has. */
  const known = { newest: 0, dead: record.oldest ?? 0, final: 0 }
  const recordStore = new NodeRecordStore(first, state, journal, known)
  recordStore.write(first)
  for (const of of ['0.0', ...Object.values(first.generation.simulations)] as StateSlot[])
    state.write(keys.root('n1', of), pack({}))
  const mailbox = new Mailbox(clock, 100, ownerOf())
  mailbox.open()
  const undoes = (version: number) => (undos.includes(version) ? version - 1 : null)
  const rejected: { fault: Fault | undefined } = { fault: undefined }
  const unknown = new Set<number>()
  const services = {
    journal,
    clock,
    random: { next: () => 0 },
    settings: { ...defaultSettings, system: 'shop', hostId: 'h1', heldCallsMax: 3, backoffMs: 100, backoffMsMax: 400 },
    observe: (event: { type: string; message?: string }) => void log.push(`${event.type} ${event.message}`),
    history: {
      get heard() {
        return known.newest
      },
      get newest() {
        return known.newest
      },
      get dead() {
        return known.dead
      },
      get final() {
        return known.final
      },
      fetch: (version: number) => step(`fetch ${version}`),
      reconsider: (version: number) => void log.push(`reconsider ${version}`),
      undoOf: (version: number) => (undos.includes(version + 1) ? version + 1 : null),
      undoes,
      takesBack: (version: number) => undos.includes(version),
      isUnknown: (version: number) => unknown.has(version),
      async knows(version: number) {
        await step(`knows ${version}`)
        return version <= known.newest
      },
    },
    classes: {
      lineage: () => [],
      loadStep: (_line: unknown, version: number) => step(`load ${version}`),
      classUpgrade: () => ({ ...toV2().classUpgrades[0]!, ...upgrade }),
    },
  }
  const intake = new Intake(services.history as never, services.classes as never)
  const software = {
    hasObject: true,
    get rejected() {
      return rejected.fault
    },
    cutAbove(fault: Fault | undefined) {
      rejected.fault = fault
      log.push(fault === undefined ? 'cut ends' : `cut: ${fault.message}`)
    },
    rebuildChain: () => void log.push('chain'),
    chain: {
      at(label: number) {
        if (rejected.fault !== undefined && label > recordStore.record.newest) throw rejected.fault
        return label <= recordStore.record.newest ? {} : undefined
      },
    },
  }
  /** The host's answer to whether what has waited may go on. */
  const goingOn: { asked?: Gate; isHere: boolean } = { isHere: true }
  const node = {
    services: Object.assign(services, { intake }),
    recordStore,
    software,
    state,
    mailbox,
    accept: (call: Call) => void log.push(`accept ${call.name}`),
    mayGoOn: async () => {
      await goingOn.asked?.pass()
      return goingOn.isHere
    },
    consider: () => void log.push('consider'),
    crash: (error: Error) => void log.push(`crash ${error.message}`),
  }
  /** Lets what is under way go as far as it can. */
  const passing = async (ms = 0) => {
    for (let i = 0; i < 10; i++) {
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (ms === 0) return
    clock.advance(ms)
    await passing()
  }
  await passing()
  const learning = new NodeLearning(node as unknown as LearningNode)
  const call = (name: string, label: number, kind: number = kinds.call): Call => new Call(name, label, kind, log)
  const hold = (...calls: readonly Call[]) => {
    for (const each of calls) learning.hold(each as never)
  }
  const done = () => log.splice(0)
  const kept = (of: StateSlot) => {
    const bytes = journal.get(keys.root('n1', of))
    return bytes && unpack(bytes)
  }
  return {
    ...{
      clock,
      memory,
      store,
      journal,
      state,
      recordStore,
      mailbox,
      software,
      services,
      learning,
      steps,
      known,
      unknown,
      rejected,
    },
    ...{ passing, call, hold, done, kept, goingOn },
  }
}

/** A call that has come, as far as learning knows it. */
export class Call {
  isRefused = false
  readonly envelope: { readonly label: number; readonly kind: number }
  constructor(
    readonly name: string,
    label: number,
    kind: number,
    private readonly log: string[],
  ) {
    this.envelope = { label, kind }
  }
  holdFor(reason: string): void {
    this.log.push(`hold ${this.name}: ${reason}`)
  }
  refuseFor(error: unknown): void {
    this.refuse(error as Fault)
  }
  refuse({ code }: Fault): void {
    this.isRefused = true
    this.log.push(`refuse ${this.name}: ${code}`)
  }
}

export const message = (text: string | RegExp) => ({ message: text })
