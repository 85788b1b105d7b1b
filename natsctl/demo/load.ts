/**
 * A client under load that remembers what was acknowledged, and so can tell a lost write and a wrong answer.
 * Each page belongs to one worker, which works on it alone: what it reads must be what it wrote.
 */
import { isFault, type Remote } from 'theseus-actors'
import type { PagesV1 } from './pages.v1.js'
import type { PagesV2 } from './pages.v2.js'

/** A worker does what its version can do. */
export type Pages = Remote<PagesV1> &
  Partial<Pick<Remote<PagesV2>, 'comment'>> & {
    readonly comments?: (url: string) => Promise<readonly (string | { readonly text: string })[]>
  }

export interface Tally {
  calls: number
  failed: number
  wrong: number
  /**
   * Commands that were delivered to a process that was then killed: their outcome is unknown,
   * and that is said.
   */
  unknown: number
  readonly failures: Map<string, number>
  /** The first few wrong answers, in words. */
  readonly contradictions: string[]
}

export function newTally(): Tally {
  return { calls: 0, failed: 0, wrong: 0, unknown: 0, failures: new Map(), contradictions: [] }
}

/**
 * A page as its worker knows it: the last acknowledged text, and those that may have been written beside it.
 */
export interface PageMemory {
  readonly node: string
  readonly url: string
  text: string | null
  maybeTexts: string[]
  comments: string[]
  /** A comment whose outcome is unknown: it may or may not be there. */
  maybeComments: string[]
}

export interface LoadOptions {
  /** Unique among the clients. */
  readonly name: string
  readonly nodes: readonly string[]
  readonly pagesPerNode: number
  /** Pause between the calls of one worker. */
  readonly pauseMs: number
  /** Whether an unanswered command counts as unknown (a process is killed on purpose) and not as failed. */
  readonly toleratesUnknown?: boolean
}

export class LoadClient {
  readonly tally = newTally()
  readonly pages: PageMemory[] = []
  #stopped = false
  #workers: Promise<void>[] = []
  #serial = 0

  constructor(
    private readonly ref: (node: string) => Pages,
    private readonly options: LoadOptions,
  ) {
    for (const node of options.nodes) {
      for (let i = 0; i < options.pagesPerNode; i++) {
        this.pages.push({
          node,
          url: `/${options.name}/${i}`,
          text: null,
          maybeTexts: [],
          comments: [],
          maybeComments: [],
        })
      }
    }
  }

  start(): void {
    this.#workers = this.pages.map((page) => this.#work(page))
  }

  /** Resolves when every running call has been answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#workers)
  }

  async #work(page: PageMemory): Promise<void> {
    const pages = this.ref(page.node)
    for (let turn = 0; !this.#stopped; turn++) {
      const step = turn % 4
      if (step === 0) await this.#put(pages, page)
      else if (step === 2 && pages.comment !== undefined && page.comments.length < 20) await this.#comment(pages, page)
      else if (step === 3 && pages.comments !== undefined) await this.#readComments(pages, page)
      else await this.#read(pages, page)
      await pause(this.options.pauseMs)
    }
  }

  async #put(pages: Pages, page: PageMemory): Promise<void> {
    const text = `${page.url} #${++this.#serial}`
    const outcome = await this.#call(() => pages.put(page.url, text))
    if (outcome.kind === 'done') {
      page.text = text
      page.maybeTexts = []
    } else page.maybeTexts.push(text)
  }

  async #read(pages: Pages, page: PageMemory): Promise<void> {
    const outcome = await this.#call(() => pages.get(page.url))
    if (outcome.kind !== 'done') return
    if (outcome.value === page.text || page.maybeTexts.includes(outcome.value ?? '')) return
    this.#contradict(
      `get(${page.url}) on ${page.node} gave ${JSON.stringify(outcome.value)}, acknowledged was ${JSON.stringify(page.text)}`,
    )
  }

  async #comment(pages: Pages, page: PageMemory): Promise<void> {
    const text = `comment ${++this.#serial} of ${this.options.name}`
    const outcome = await this.#call(() => pages.comment!(page.url, text))
    if (outcome.kind === 'done') page.comments.push(text)
    else page.maybeComments.push(text)
  }

  async #readComments(pages: Pages, page: PageMemory): Promise<void> {
    const outcome = await this.#call(() => pages.comments!(page.url))
    if (outcome.kind !== 'done') return
    const contradiction = contradictionIn(page, outcome.value.map(textOf))
    if (contradiction !== undefined) this.#contradict(contradiction)
  }

  async #call<T>(call: () => Promise<T>): Promise<{ kind: 'done'; value: T } | { kind: 'failed' }> {
    this.tally.calls++
    try {
      return { kind: 'done', value: await call() }
    } catch (error) {
      const code = isFault(error) ? error.code : String(error)
      if (this.options.toleratesUnknown === true && isFault(error) && error.kind === 'timeout') this.tally.unknown++
      else this.tally.failed++
      this.tally.failures.set(code, (this.tally.failures.get(code) ?? 0) + 1)
      return { kind: 'failed' }
    }
  }

  #contradict(words: string): void {
    this.tally.wrong++
    if (this.tally.contradictions.length < 10) this.tally.contradictions.push(words)
  }
}

/** Reads back everything that was acknowledged through one version; returns what is missing or different. */
export async function readBack(ref: (node: string) => Pages, pages: readonly PageMemory[]): Promise<string[]> {
  const lost: string[] = []
  for (const page of pages) {
    const there = ref(page.node)
    const text = await there.get(page.url)
    if (text !== page.text && !page.maybeTexts.includes(text ?? ''))
      lost.push(`${page.node}${page.url}: ${JSON.stringify(text)} instead of ${JSON.stringify(page.text)}`)
    if (there.comments === undefined) continue
    const contradiction = contradictionIn(page, (await there.comments(page.url)).map(textOf))
    if (contradiction !== undefined) lost.push(contradiction)
  }
  return lost
}

function contradictionIn(page: PageMemory, found: readonly string[]): string | undefined {
  const certain = found.filter((text) => !page.maybeComments.includes(text))
  if (certain.length === page.comments.length && certain.every((text, i) => text === page.comments[i])) return undefined
  return `comments(${page.url}) on ${page.node} gave ${JSON.stringify(found)}, acknowledged were ${JSON.stringify(page.comments)}`
}

function textOf(comment: string | { readonly text: string }): string {
  return typeof comment === 'string' ? comment : comment.text
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
