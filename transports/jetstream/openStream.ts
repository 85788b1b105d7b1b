/** Opens a stream, and makes it where it is new. Two who do so at once both succeed. */
import { randomInt } from 'node:crypto'
import { Fault } from '../../core/base/fault.js'
import { systemClock } from '../systemClock.js'
import { errorCodes } from './jetStreamAnswer.js'
import { apiFault, type JetStreamApi, type StreamState } from './jetStreamApi.js'
import { newStream, type StreamUse, wrongSettings, wrongSettingsLine } from './streamConfig.js'
import type { StreamNames } from './streamNames.js'

export async function openStream(api: JetStreamApi, use: StreamUse, names: StreamNames, replicas: number): Promise<StreamState> {
  const found = (await api.stateOf(names.stream)) ?? (await make(api, use, names, replicas))
  const wrong = wrongSettings(found.config, use, names, replicas)
  if (wrong.length > 0) throw new Fault('config.invalid', wrongSettingsLine(names, wrong))
  return found
}

/** It was made a moment ago. The server that is asked may hear of it a little later. */
async function appeared(api: JetStreamApi, stream: string): Promise<StreamState> {
  const { askMs } = api.waits
  const deadlineMs = systemClock.monotonicMs() + askMs
  while (systemClock.monotonicMs() < deadlineMs) {
    await pause(appearPauseMs)
    const found = await api.stateOf(stream)
    if (found !== undefined) return found
  }
  throw new Fault('unavailable.storage', `${stream}: it was made, and is not there after ${askMs} ms`)
}

const appearPauseMs = 50
const jitterMsMax = 500

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(ms, () => resolve())
  })
}

async function make(api: JetStreamApi, use: StreamUse, names: StreamNames, replicas: number): Promise<StreamState> {
  const { stream, subject } = names
  if (replicas > 1) {
    // nats-server 2.9 may leave a stream without a leader if it is made by several at one moment.
    await pause(randomInt(jitterMsMax))
    const found = await api.stateOf(stream)
    if (found !== undefined) return found
  }
  const { error } = await api.ask('STREAM.CREATE', stream, newStream(use, names, replicas))
  // Another one may have made it meanwhile, with its own settings: they are checked as always.
  const made = await api.stateOf(stream)
  if (made !== undefined) return made
  switch (error?.errorCode) {
    case undefined:
    case errorCodes.nameInUse:
      return await appeared(api, stream)
    case errorCodes.noSuitablePeers:
    case errorCodes.replicasWithoutCluster:
      throw new Fault(
        'config.invalid',
        `${stream}: there are too few nats-servers with JetStream for ${replicas} replicas: start more, or ask for fewer (${error!.description})`,
      )
    case errorCodes.subjectsOverlap:
      throw new Fault('config.invalid', `${stream}: another stream has ${subject} among its subjects: take it out there`)
    default:
      throw apiFault(stream, error!)
  }
}
