/**
 * A port of the loopback interface on which nobody listens. It is below those that the system gives to
 * connections: a client that goes on trying a server that is away may get that server's own port there, is
 * connected to itself, and the server does not come back.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'

const first = 10_000
const count = 20_000
const triesMax = 100

export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = first + Math.floor(Math.random() * count)
    const server = createServer()
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      return port
    } catch (error) {
      if (tries === triesMax) throw error
    } finally {
      if (server.listening) {
        server.close()
        await once(server, 'close')
      }
    }
  }
}
