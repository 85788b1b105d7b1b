import { mapping } from 'theseus-actors/rehearsal'
import { StationV1, StationV2 } from '../station.js'

/**
 * Today's weather is dependent, tomorrow's is not: it depends on the argument which of them
 * `forecast` observes.
 */
export const toTomorrow = mapping({
  from: StationV1,
  to: StationV2,
  state: ({ weather }) => ({ ...StationV2.initial(), today: weather }),
  dependent: (method, [day]) => method === 'forecast' && day === 'today',
})

export const fromTomorrow = mapping({
  from: StationV2,
  to: StationV1,
  state: ({ today }) => ({ weather: today }),
  dependent: ['forecast'],
})
