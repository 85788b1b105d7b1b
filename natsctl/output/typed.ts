/** Advice as it has to be typed: with `npx` where natsctl was started so. */
import { exampleNames } from './examples.js'

/** npm says what it runs: other programs that it runs may start natsctl by its name. */
export function isByNpx(env: NodeJS.ProcessEnv = process.env): boolean {
  return env.npm_command === 'exec' && /^'?natsctl\b/.test(env.npm_lifecycle_script ?? '')
}

const commands = new RegExp(`(?<!npx )\\bnatsctl (?=(?:${exampleNames.join('|')}|--help)\\b|<verb>)`, 'g')

export function asTyped(text: string, byNpx = isByNpx()): string {
  return byNpx ? text.replace(commands, 'npx natsctl ') : text
}
