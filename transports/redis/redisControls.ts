/** The controls in Redis: JSON, so that an operator can read them with redis-cli. */
import { nameLengthMax } from '../../core/base/ids.js'
import { type Control, type ControlName, checkControl, controlKey, isControl } from '../../core/control/control.js'
import type { RedisConnection } from './redisConnection.js'
import { jsonText } from './redisJson.js'
import type { RedisKeys } from './redisKeys.js'

/** So many different things that make no sense are told of. */
const ignoredMax = 64

export class RedisControls {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Pick<RedisKeys, 'controls'>,
    private readonly tell: (message: string) => void = () => {},
  ) {}

  readonly #told = new Set<string>()

  async controls(): Promise<readonly Control[]> {
    const entries = Object.entries(await this.redis.call((client) => client.hgetall(this.keys.controls)))
    return entries.flatMap(([field, text]) => {
      const control = controlOf(text)
      if (control !== undefined && controlKey(control) === field) return [control]
      this.#ignore(`field ${field.slice(0, nameLengthMax)} of Redis key ${this.keys.controls} holds no control of this name`)
      return []
    })
  }

  async setControl(control: Control): Promise<void> {
    checkControl(control)
    await this.redis.call((client) => client.hset(this.keys.controls, controlKey(control), jsonText(control)))
  }

  async removeControl(name: ControlName): Promise<boolean> {
    return (await this.redis.call((client) => client.hdel(this.keys.controls, controlKey(name)))) === 1
  }

  /** Told once. */
  #ignore(what: string): void {
    if (this.#told.has(what) || this.#told.size >= ignoredMax) return
    this.#told.add(what)
    this.tell(`${what}: ignored, until it is repaired or removed`)
  }
}

export function controlOf(text: string): Control | undefined {
  try {
    const control: unknown = JSON.parse(text)
    return isControl(control) ? control : undefined
  } catch {
    return undefined
  }
}
