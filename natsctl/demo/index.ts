/** `theseus-actors/demo`: the parts of the demo. `npm run demo` shows the same with real servers. */
export { Interruption } from '../output/interruption.js'
export { LoadClient, type PageMemory, pause, readBack, type Tally } from './load.js'
export { type ClientView, Screen } from './screen.js'
export { showDemo } from './showDemo.js'
export { summary } from './summary.js'
