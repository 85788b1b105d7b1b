/**
 * Puts all mutants of a file into its code at once, each behind a switch: `a < b` becomes
 * `($m(3) ? a <= b : (a < b))`. So a process loads the code once and tries one mutant after the other. The
 * compiled JavaScript is taken, with its source map: no build in between.
 */
import { createHash } from 'node:crypto'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { type AnyNode, parse } from 'acorn'
import { type Change, expressionChanges, isLeavable, type Place } from './changes.js'
import { luaChanges } from './lua.js'
import { type InstrumentedFile, type Mutant, switchboard } from './mutant.js'

const nowhere: Place = { isTest: false, isHalf: false, isCompared: false, isForUpdate: false }
const shownMax = 90

/** Helpers of the compiler, and what it puts under a class for its decorators. */
const compilers = /^(__decorate|__param|__metadata|__addDisposableResource|__disposeResources)\b/

export function instrument(file: string, compiled: string, map?: SourceMapPayload): InstrumentedFile {
  return new Instrumentation(file, compiled, map).run()
}

interface Child {
  readonly node: AnyNode
  readonly role: string
}

class Instrumentation {
  readonly #mutants: Mutant[] = []
  readonly #timesOfKey = new Map<string, number>()
  readonly #lines: readonly number[]
  readonly #map: SourceMap | undefined
  /** Names and starts of the functions around. */
  readonly #scopes: { readonly name: string; readonly digest: string }[] = []
  #functions = 0
  readonly #isLua: boolean
  /** Parts of chains with `?.`: brackets around them would end the chain's short way out. */
  readonly #spine = new Set<AnyNode>()
  readonly #constructors = new Set<AnyNode>()

  constructor(
    private readonly file: string,
    private readonly compiled: string,
    map: SourceMapPayload | undefined,
  ) {
    this.#map = map === undefined ? undefined : new SourceMap(map)
    this.#lines = [0, ...[...compiled.matchAll(/\n/g)].map((found) => found.index + 1)]
    this.#isLua = compiled.includes("redis.call('")
  }

  run(): InstrumentedFile {
    const program = parse(this.compiled, { ecmaVersion: 'latest', sourceType: 'module' })
    const body = this.#render(program, nowhere)
    // On the first line, so that the lines stay.
    const code = `const $m=globalThis.${switchboard}(${JSON.stringify(this.file)});${body}`
    return { file: this.file, code, mutants: this.#mutants }
  }

  readonly #source = (node: AnyNode) => this.compiled.slice(node.start, node.end)

  #line(offset: number): number {
    let [low, high] = [0, this.#lines.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#lines[middle]! <= offset) low = middle
      else high = middle
    }
    const entry = this.#map?.findEntry(low, offset - this.#lines[low]!)
    return (entry !== undefined && 'originalLine' in entry ? entry.originalLine : low) + 1
  }

  /** A new mutant's switch. */
  #switch(original: string, replacement: string, at: number): string {
    const scope = this.#scopes.map(({ name }) => name).join('.')
    const words = `${scope} | ${shown(original)} → ${shown(replacement)}`
    const times = (this.#timesOfKey.get(words) ?? 0) + 1
    this.#timesOfKey.set(words, times)
    const id = this.#mutants.length
    this.#mutants.push({
      id,
      key: times === 1 ? words : `${words} #${times}`,
      scope,
      line: this.#line(at),
      isStatic: this.#functions === 0,
      digest: this.#scopes[0]?.digest ?? digestOf(original),
    })
    return `$m(${id})`
  }

  /** The node's code with the mutants in it. */
  #render(node: AnyNode, place: Place): string {
    if (compilers.test(this.compiled.slice(node.start, node.start + 30))) return this.#source(node)
    if (this.#spine.has(node)) return this.#children(node)
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'TemplateElement':
        return this.#source(node)
      case 'ExportNamedDeclaration':
        return node.declaration ? this.#children(node) : this.#source(node)
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        return this.#function(node)
      case 'ClassDeclaration':
      case 'ClassExpression':
        return this.#within(node.id?.name ?? '', node, () => this.#children(node))
      case 'PropertyDefinition':
        return this.#property(node)
      case 'VariableDeclarator':
        // A class says its own name.
        if (this.#functions > 0 || node.init?.type === 'ClassExpression') return this.#children(node)
        return this.#within(this.#source(node.id), node, () => this.#children(node))
      case 'Property':
        if (this.#functions > 0 || this.#scopes.length !== 1) return this.#children(node)
        return this.#within(this.#source(node.key), node, () => this.#children(node))
      case 'MethodDefinition':
        if (node.kind === 'constructor') this.#constructors.add(node.value)
        return this.#within(this.#source(node.key), node, () => this.#children(node))
      case 'SwitchCase':
        return this.#case(node)
      case 'TemplateLiteral':
        return this.#isLua ? this.#lua(node) : this.#children(node)
      default:
        if (node.type === 'ExpressionStatement' && / = __decorate\(/.test(this.#source(node))) return this.#source(node)
        if (isLeavable(node, this.#source)) return this.#leavable(node)
        return this.#expression(node, place)
    }
  }

  #within(name: string, node: AnyNode, render: () => string): string {
    this.#scopes.push({ name, digest: digestOf(this.#source(node)) })
    // A verdict hangs on the innermost named piece of code: of a class its method.
    const [outermost] = this.#scopes
    const isMember = this.#scopes.length === 2 && this.#functions === 0
    if (isMember) this.#scopes[0] = { name: outermost!.name, digest: digestOf(this.#source(node)) }
    const code = render()
    this.#scopes.pop()
    if (isMember) this.#scopes[0] = outermost!
    return code
  }

  /** The code between two offsets with these nodes in it. */
  #parts(nodes: readonly AnyNode[], start: number, end: number): string {
    let code = ''
    let at = start
    for (const node of nodes) {
      code += this.compiled.slice(at, node.start) + this.#render(node, nowhere)
      at = node.end
    }
    return code + this.compiled.slice(at, end)
  }

  #children(node: AnyNode, roleOf: (role: string) => Place = () => nowhere): string {
    let code = ''
    let at = node.start
    for (const { node: child, role } of childrenOf(node)) {
      code += this.compiled.slice(at, child.start)
      code += isFixed(node, role) ? this.#fixed(child) : this.#render(child, roleOf(role))
      at = child.end
    }
    return code + this.compiled.slice(at, node.end)
  }

  /**
   * A place that takes no other expression: what is assigned to, called, deleted. Its parts may have mutants.
   */
  #fixed(node: AnyNode): string {
    switch (node.type) {
      case 'MemberExpression':
      case 'ArrayPattern':
      case 'ObjectPattern':
      case 'AssignmentPattern':
      case 'RestElement':
      case 'Property':
        return this.#children(node)
      case 'Identifier':
      case 'Literal':
      case 'PrivateIdentifier':
      case 'Super':
        return this.#source(node)
      default:
        return this.#render(node, nowhere)
    }
  }

  #function(node: Extract<AnyNode, { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }>): string {
    const name = node.type === 'ArrowFunctionExpression' ? undefined : node.id?.name
    const render = () => {
      this.#functions++
      const code = this.#emptied(node)
      this.#functions--
      return code
    }
    return name === undefined ? render() : this.#within(name, node, render)
  }

  /**
   * With a switch that leaves its whole body out. One of a single step is left alone: the step
   * has its own switch.
   */
  #emptied(node: Extract<AnyNode, { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }>): string {
    const { body } = node
    const isLeft =
      body.type === 'BlockStatement'
        ? body.body.length >= 2 && !this.#constructors.has(node)
        : body.type === 'CallExpression' || body.type === 'AwaitExpression'
    if (!isLeft) return this.#children(node)
    const head = this.#head(node, body)
    if (body.type === 'BlockStatement') {
      const condition = this.#switch(this.#source(body), '{}', body.start)
      return `${head}{if(${condition})return;${this.#children(body).slice(1)}`
    }
    const condition = this.#switch(this.#source(body), 'undefined', body.start)
    return `${head}(${condition}?undefined:${this.#render(body, nowhere)})${this.compiled.slice(body.end, node.end)}`
  }

  /** The part before a function's body: its parameters, which may have defaults. */
  #head(
    node: Extract<AnyNode, { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }>,
    body: AnyNode,
  ): string {
    let code = ''
    let at = node.start
    for (const param of node.params) {
      code += this.compiled.slice(at, param.start) + this.#fixed(param)
      at = param.end
    }
    return code + this.compiled.slice(at, body.start)
  }

  /** An instance's property is set with each instance, a static one with the class. */
  #property(node: Extract<AnyNode, { type: 'PropertyDefinition' }>): string {
    return this.#within(this.#source(node.key), node, () => {
      if (node.static) return this.#children(node)
      this.#functions++
      const code = this.#children(node)
      this.#functions--
      return code
    })
  }

  #case(node: Extract<AnyNode, { type: 'SwitchCase' }>): string {
    const [first] = node.consequent
    // A case that ends by falling out of the `switch`, or is for the compiler alone, has
    // nothing to leave out.
    if (first === undefined || first.type === 'BreakStatement') return this.#source(node)
    if (node.test === null || node.test === undefined) return this.#children(node)
    const test = this.#source(node.test)
    if (/^(return )?unreachable\(/.test(this.#source(first))) return this.#source(node)
    const condition = this.#switch(`case ${test}: ${this.#source(first)}`, 'break', node.start)
    const body = this.#parts(node.consequent, first.start, node.end)
    return `${this.compiled.slice(node.start, first.start)}if(${condition})break;${body}`
  }

  #leavable(node: AnyNode): string {
    const inner = this.#expressionStatement(node)
    const condition = this.#switch(this.#source(node), '{}', node.start)
    return `if(${condition});else{${inner}}`
  }

  #expressionStatement(node: AnyNode): string {
    // `await f()` as a statement: the wait is left out, the call is not.
    if (node.type !== 'ExpressionStatement' || node.expression.type !== 'AwaitExpression') return this.#children(node)
    const call = this.#children(node.expression)
    const argument = this.#source(node.expression.argument)
    const condition = this.#switch(this.#source(node.expression), argument, node.start)
    return `(${condition}?${argument}:${call});`
  }

  #expression(node: AnyNode, place: Place): string {
    if (node.type === 'ChainExpression') return this.#chain(node, place)
    if (isMessage(node, this.#source)) return this.#source(node)
    const changes = expressionChanges(node, this.#source, place)
    const switches = changes.map((change) => this.#alternative(node, change))
    const code = this.#children(node, (role) => placeOf(node, role, place))
    return switches.length === 0 ? code : `(${switches.join('')}(${code}))`
  }

  #alternative(node: AnyNode, { text }: Change): string {
    return `${this.#switch(this.#source(node), text, node.start)}?(${text}):`
  }

  /** `a?.b.c`: the whole chain once more for each `?.`, with a plain `.` there. */
  #chain(node: Extract<AnyNode, { type: 'ChainExpression' }>, place: Place): string {
    const text = this.#source(node)
    const links: number[] = []
    for (let at: AnyNode | undefined = node.expression; at !== undefined; at = spineOf(at)) {
      this.#spine.add(at)
      if ((at.type === 'MemberExpression' || at.type === 'CallExpression') && at.optional)
        links.push((at.type === 'MemberExpression' ? at.object : at.callee).end)
    }
    const plain = links.map((end) => {
      const rest = text.slice(end - node.start)
      const dot = rest.indexOf('?.')
      const after = rest.slice(dot + 2)
      const link = after.startsWith('(') || after.startsWith('[') ? '' : '.'
      return { text: text.slice(0, end - node.start) + rest.slice(0, dot) + link + after }
    })
    const changes = [...expressionChanges(node, this.#source, place), ...plain]
    const switches = changes.map((change) => this.#alternative(node, change))
    return `(${switches.join('')}(${this.#render(node.expression, nowhere)}))`
  }

  /** A script for Redis in a template: the text itself is changed. */
  #lua(node: Extract<AnyNode, { type: 'TemplateLiteral' }>): string {
    const changes = luaChanges(this.#source(node))
    const switches = changes.map(
      ({ original, replacement, text, at }) => `${this.#switch(original, replacement, node.start + at)}?${text}:`,
    )
    return switches.length === 0 ? this.#source(node) : `(${switches.join('')}${this.#source(node)})`
  }
}

function placeOf(parent: AnyNode, role: string, place: Place): Place {
  switch (parent.type) {
    case 'IfStatement':
    case 'ConditionalExpression':
      return role === 'test' ? { ...nowhere, isTest: true } : nowhere
    // A loop that is always to go on never ends, and tells nothing.
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'ForStatement':
      return { ...nowhere, isHalf: role === 'test', isForUpdate: role === 'update' }
    case 'LogicalExpression':
      return role === 'left' || role === 'right' ? { ...nowhere, isHalf: true } : nowhere
    case 'UnaryExpression':
      return parent.operator === '!' ? { ...nowhere, isHalf: true } : nowhere
    case 'BinaryExpression':
      return { ...nowhere, isCompared: /^[<>=!]=?=?=?$/.test(parent.operator) && !/^<<|>>/.test(parent.operator) }
    default:
      return place.isForUpdate ? place : nowhere
  }
}

/**
 * Words for people; and assertions, which never fail in code that is right: that each can is a
 * test of its own.
 */
function isMessage(node: AnyNode, source: (node: AnyNode) => string): boolean {
  if (node.type === 'TemplateLiteral') return true
  return node.type === 'CallExpression' && /^(invariant|unreachable)$/.test(source(node.callee))
}

function isFixed(parent: AnyNode, role: string): boolean {
  switch (parent.type) {
    case 'AssignmentExpression':
    case 'AssignmentPattern':
    case 'ForInStatement':
    case 'ForOfStatement':
      return role === 'left'
    case 'UpdateExpression':
      return true
    case 'UnaryExpression':
      return parent.operator === 'delete' || parent.operator === 'typeof'
    case 'CallExpression':
    case 'NewExpression':
      return role === 'callee'
    case 'TaggedTemplateExpression':
      return true
    case 'VariableDeclarator':
      return role === 'id'
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return role === 'params' || role === 'id'
    case 'ArrayPattern':
    case 'ObjectPattern':
    case 'RestElement':
      return true
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
      return role === 'key' && !parent.computed
    case 'MemberExpression':
      return role === 'property' && !parent.computed
    case 'CatchClause':
      return role === 'param'
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
      return role === 'label'
    case 'ImportExpression':
    case 'MetaProperty':
      return true
    default:
      return false
  }
}

/** The next part of a chain, from the end on. Brackets around a part end it. */
function spineOf(node: AnyNode): AnyNode | undefined {
  const next = node.type === 'MemberExpression' ? node.object : node.type === 'CallExpression' ? node.callee : undefined
  return next?.type === 'MemberExpression' || next?.type === 'CallExpression' ? next : undefined
}

function childrenOf(node: AnyNode): readonly Child[] {
  const found: Child[] = []
  for (const [role, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string' && typeof child.start === 'number') found.push({ node: child, role })
    }
  }
  // `{ name }` is key and value in one place.
  if (node.type === 'Property' && node.shorthand) return found.filter(({ role }) => role === 'value').slice(0, 1)
  return found.sort((a, b) => a.node.start - b.node.start)
}

function shown(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length <= shownMax ? line : `${line.slice(0, shownMax)}…`
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 12)
}
