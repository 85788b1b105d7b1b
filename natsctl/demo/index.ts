/** `theseus-actors/demo`: the parts of the demo. `npm run demo` shows the same with real servers. */
export { Interruption } from '../output/interruption.js'
export { LoadClient, type LoadOptions, newTally, type PageMemory, type Pages, pause, readBack, type Tally } from './load.js'
export { type ClientView, type NodeView, Screen, type View } from './screen.js'
export { showDemo } from './showDemo.js'
export { summary } from './summary.js'
