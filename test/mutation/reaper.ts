/**
 * A process beside the runner that ends the workers when the runner is gone, even killed. A worker whose
 * mutant turns for ever never hears that. It reads `+pid` and `-pid` by line: a worker's process group has
 * begun, has ended. The end of its input is the runner's.
 */
const groups = new Set<number>()
let text = ''

process.stdin.setEncoding('utf8')
process.stdin.on('data', (more: string) => {
  const lines = (text + more).split('\n')
  text = lines.pop()!
  for (const line of lines) {
    if (line.startsWith('+')) groups.add(Number(line.slice(1)))
    else groups.delete(Number(line.slice(1)))
  }
})
process.stdin.on('close', () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
})
