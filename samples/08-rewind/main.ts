import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type NodeHandle, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import type { RewoundSeen } from 'theseus-actors/operator'
import { AccountV1 } from './account.js'
import { accounts, type Request, StoryClock, traffic } from './hour.js'
import { PostV1 } from './post.js'
import { reported, type Told, untruths } from './truth.js'

const clock = new StoryClock()
const directory = await mkdtemp(join(tmpdir(), 'theseus-rewind-'))
const host = await createHost({ system: 'bank', directory, clock })
try {
  await play(host)
} finally {
  await host.stop()
  await rm(directory, { recursive: true })
}

async function play(host: RunningHost): Promise<void> {
  const nodes: NodeHandle[] = []
  for (const account of accounts) nodes.push(await host.node(AccountV1, account))
  await host.node(PostV1, 'post')
  const told: Told[] = []
  const requests = traffic(240)
  const serve = async (count: number) => {
    for (let i = 0; i < count; i++) told.push(await ask(requests.next().value!))
  }
  const reached = (version: number) => Promise.all(nodes.map((node) => node.reached(version)))

  await serve(40)
  console.log(`${time()} Three accounts and a post office, at version 0. ${told.length} requests so far.`)
  await host.publish(await buildUpgrade(new URL('upgrades/1-euros.js', import.meta.url)))
  await reached(1)
  console.log(`${time()} Version 1 keeps euros and cents apart. It says rewind: { for: '24h' }.`)
  await serve(120)
  console.log(`${time()} An hour later nobody has seen an error. Then people look at their accounts.`)
  await tellBalances(told)
  console.log('  An undo maps these balances back as they are. A rewind does not.')

  await host.operator.undo({ rewind: true, reason: 'balances are wrong' })
  await reached(2)
  console.log(`${time()} Version 2 rewinds it: the balances of before, and all requests since once more.`)
  const report = await reportOf(host)
  tellReport(report)
  await tellBalances(told)

  await host.publish(await buildUpgrade(new URL('upgrades/3-euros-repaired.js', import.meta.url)))
  await reached(3)
  await serve(80)
  console.log(`${time()} Version 3 is version 1, repaired, and has answered 80 requests.`)
  check(told, report)
  const statements = told.filter(({ method }) => method === 'statement').length
  const letters = await host.ref(PostV1, 'post').letters()
  console.log(`  ${statements} statements were asked for, and ${letters.length} letters sent.`)
}

async function ask(request: Request): Promise<Told> {
  clock.passes(30)
  const atMs = clock.now()
  const account = host.ref(AccountV1, request.account)
  const [cents = 0] = request.args
  try {
    switch (request.method) {
      case 'deposit':
      case 'withdraw':
        return { ...request, atMs, answer: { value: await account[request.method](cents) } }
      case 'balance':
      case 'statement':
        return { ...request, atMs, answer: { value: await account[request.method]() } }
    }
  } catch {
    return { ...request, atMs, answer: undefined }
  }
}

async function tellBalances(told: Told[]): Promise<void> {
  const { balances } = untruths(told)
  for (const account of accounts) {
    const balance = await ask({ account, method: 'balance', args: [] })
    told.push(balance)
    console.log(`  ${account} is told ${euros(Number(balance.answer?.value))}. True is ${euros(balances.get(account)!)}.`)
  }
}

/** As "natsctl rollout rewound" asks for it. */
function reportOf(host: RunningHost): Promise<readonly RewoundSeen[]> {
  return new Promise((resolve) => {
    const found = new Map<string, RewoundSeen>()
    const stop = host.operator.look(
      ({ seen }) => {
        for (const one of seen) if (one.type === 'rewound') found.set(one.nodeId, one)
        if (found.size < accounts.length) return
        stop()
        resolve(accounts.map((id) => found.get(id)!))
      },
      { types: ['rewound'] },
    )
  })
}

function tellReport(report: readonly RewoundSeen[]): void {
  for (const { nodeId, replayed, differing, differences } of report) {
    console.log(`  ${nodeId}: ${replayed} replayed, ${differing} not as before. The first:`)
    for (const { at, method, args = [], told, now, outcome } of differences.slice(0, 2)) {
      const was = told === null ? 'done' : told
      console.log(`    ${time(at)} ${method}(${args.join(', ')}) was ${was}, is ${outcome === 'answer' ? now : outcome}`)
    }
  }
}

/** All that anybody was told is true, or in the report with the truth. */
function check(told: readonly Told[], report: readonly RewoundSeen[]): void {
  const listed = new Map(
    report.flatMap(({ nodeId, differences }) => differences.map((each) => [`${nodeId} ${each.at}`, reported(each)])),
  )
  const { untrue } = untruths(told)
  const missing = [...untrue].filter(([{ account, atMs }, truth]) => listed.get(`${account} ${atMs}`) !== truth)
  console.log(`  ${told.length} requests were answered: ${told.length - untrue.size} truly, ${untrue.size} not.`)
  console.log(`  The report lists ${listed.size}, with the truth. Untrue and not in it: ${missing.length}.`)
}

function time(at = clock.now()): string {
  return new Date(at).toISOString().slice(11, 16)
}

function euros(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`
}
