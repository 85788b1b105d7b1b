/** Opens a stream, and makes it where it is new. Two who do so at once both succeed. */
import { Fault } from '../../core/base/fault.js'
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

async function make(api: JetStreamApi, use: StreamUse, names: StreamNames, replicas: number): Promise<StreamState> {
  const { stream, subject } = names
  const { error } = await api.ask('STREAM.CREATE', stream, newStream(use, names, replicas))
  // Another one may have made it meanwhile, with its own settings: they are checked as always.
  const made = await api.stateOf(stream)
  if (made !== undefined) return made
  switch (error?.errorCode) {
    case undefined:
      throw new Fault('unavailable.storage', `${stream}: it was made, and is not there`)
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
