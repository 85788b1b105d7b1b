/** `npm run mutate [-- files]`. See test/README.md. */
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandLine, usage } from './commandLine.js'
import { checkListed, readListed } from './listed.js'
import { MutationRun } from './mutationRun.js'
import { scoreOf, scoresText, survivorsText } from './report.js'
import { sources, usualSources } from './rooms.js'
import { VerdictStore } from './verdicts.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const cache = join(root, 'node_modules/.cache', process.env.MUTATION_CACHE ?? 'mutation')

const words = commandLine(process.argv.slice(2))
if (typeof words === 'string') {
  process.stderr.write(words)
  process.exit(2)
}
const { values, positionals } = words
if (values.help) {
  process.stdout.write(usage)
  process.exit(0)
}

const usual = usualSources(root)
const asked = positionals.length === 0 ? usual : sources(root, positionals)
const store = new VerdictStore(join(cache, 'verdicts.json'), values.fresh)
const run = new MutationRun(
  {
    root,
    cache,
    sources: asked,
    beside: usual,
    jobs: Number(values.jobs),
    isThorough: values.thorough,
    patienceMs: Number(values.patience),
    budgetMs: Number(values.budget ?? 1500),
    retriesCut: values.thorough || values.budget !== undefined,
    ...(values.match === undefined ? {} : { match: values.match }),
    ...(values.tests === undefined ? {} : { tests: sources(root, values.tests) }),
    say: (line) => process.stderr.write(`· ${line}\n`),
  },
  store,
)
if (!values.report) await run.run()

const files = asked.map((file) => run.files.get(file)!)
const listed = readListed(join(root, 'test/mutation/harmless.txt'))
const scores = files.map((file) => scoreOf(file, store, listed)).filter(({ mutants }) => mutants > 0)
const complaints = [
  ...run.failing.map((test) => `fails without a mutant, and was left out: ${test}`),
  ...[...run.shaky].map((test) => `fails now and then without a mutant, and was left out: ${test}`),
  ...files.flatMap((file) => checkListed(file, store, listed)),
]
process.stdout.write(survivorsText(files, store, listed, values.match))
process.stdout.write(scoresText(scores))
for (const complaint of complaints) process.stdout.write(`! ${complaint}\n`)
const min = Number(values.min ?? 0)
const low = scores.filter(({ percent }) => percent < min)
process.exit(low.length > 0 || complaints.length > 0 ? 1 : 0)
