export { type NatsOptions, nats } from './natsFactory.js'
export { type NatsProbe, probeNats } from './natsProbe.js'
