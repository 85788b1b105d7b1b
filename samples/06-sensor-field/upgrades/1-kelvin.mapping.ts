import { mapping } from 'theseus-actors/rehearsal'
import { hundredths, SensorV1, SensorV2 } from '../sensor.js'

export const toKelvin = mapping({
  from: SensorV1,
  to: SensorV2,
  state: ({ celsius }) => ({ kelvin: celsius + 273.15 }),
  dependent: ['celsius', 'kelvin'],
})

export const fromKelvin = mapping({
  from: SensorV2,
  to: SensorV1,
  state: ({ kelvin }) => ({ celsius: hundredths(kelvin - 273.15) }),
  dependent: ['celsius'],
})
