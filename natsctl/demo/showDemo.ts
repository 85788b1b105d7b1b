/** The demo as a whole, on the screen, in one process. */
import { Interruption } from '../output/interruption.js'
import { EmbeddedDemo } from './embedded.js'
import { playDemo } from './playDemo.js'
import { Screen } from './screen.js'
import { summary } from './summary.js'

/** Returns the exit code: 130 where somebody ended it before its end. */
export async function showDemo(): Promise<0 | 1 | 130> {
  const interruption = new Interruption()
  try {
    const demo = await EmbeddedDemo.start()
    try {
      const played = await Promise.race([interruption.asked, playDemo(demo, new Screen())])
      return played === undefined ? 130 : summary(played.tallies, played.lost)
    } finally {
      await demo.close()
    }
  } finally {
    interruption.close()
  }
}
