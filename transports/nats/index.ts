export { type NatsOptions, nats } from './natsFactory.js'
