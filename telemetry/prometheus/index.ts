/**
 * `theseus-actors/prometheus`: `createHost({ …, metrics: prometheus({ port: 9464 }) })`. Needs the
 * package prom-client.
 */
import { Registry } from 'prom-client'
import type { MetricsFactory } from '../../core/inspection/metrics.js'
import { PrometheusMetrics } from './hostMetrics.js'

export interface PrometheusOptions {
  /**
   * Where the pages are; 0 is for a free port. 9464 by default, which Prometheus has set aside
   * for exporters of this kind.
   */
  readonly port?: number
  /** The address to listen on. `127.0.0.1` by default: the pages ask nobody who they are. */
  readonly listen?: string
  /**
   * Names under which it is asked, beside addresses, `localhost`, and names of one word where it listens on
   * more than this machine.
   */
  readonly hosts?: readonly string[]
  /**
   * Where the metrics are kept, to show them with others. By default a registry of their own, with the label
   * `system`; one per host.
   */
  readonly registry?: Registry
  /**
   * Whether the metrics of the process itself are shown too, as prom-client has them. True by
   * default, if the registry is ours.
   */
  readonly processMetrics?: boolean
}

const defaultPort = 9464

export function prometheus(options: PrometheusOptions = {}): MetricsFactory {
  return {
    open: (host) => {
      const registry = options.registry ?? ownRegistry(host.system)
      const { port = defaultPort, listen = '127.0.0.1', hosts = [], processMetrics = options.registry === undefined } = options
      return new PrometheusMetrics(host, { port, listen, hosts, registry, processMetrics })
    },
  }
}

function ownRegistry(system: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ system })
  return registry
}
