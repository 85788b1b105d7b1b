/**
 * The changes that are tried on a piece of code. Each stands for slips that people make: a bound off by one,
 * half a condition forgotten, a step left out, an `await` left out. Texts are not changed: no test should
 * hold the words of a message.
 */
import type { AnyNode } from 'acorn'

export interface Change {
  /** The code instead. */
  readonly text: string
}

export type Source = (node: AnyNode) => string

/** The node's place decides which changes make sense. */
export interface Place {
  /** Its value is only asked whether it is true. */
  readonly isTest: boolean
  /** A half of `&&` or `||`: the whole is tried without it already. */
  readonly isHalf: boolean
  /** A side of a comparison, which is tried with other bounds already. */
  readonly isCompared: boolean
  /** The update of a `for`: turned round it would never end. */
  readonly isForUpdate: boolean
}

const boundaries: ReadonlyMap<string, string> = new Map(Object.entries({ '<': '<=', '<=': '<', '>': '>=', '>=': '>' }))
const equalities: ReadonlySet<string> = new Set(['===', '!==', '==', '!=', 'in', 'instanceof'])
const arithmetic: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '+': '-',
    '-': '+',
    '*': '/',
    '/': '*',
    '%': '*',
    '<<': '>>',
    '>>': '<<',
    '>>>': '<<',
    '&': '|',
    '|': '&',
    '^': '&',
  }),
)
const assignments: ReadonlyMap<string, string> = new Map(
  Object.entries({ '+=': '-=', '-=': '+=', '*=': '/=', '/=': '*=', '??=': '=', '|=': '&=', '&=': '|=' }),
)
/** Methods that are taken for each other. */
const twins: ReadonlyMap<string, string> = new Map(
  Object.entries({
    some: 'every',
    every: 'some',
    min: 'max',
    max: 'min',
    floor: 'ceil',
    ceil: 'floor',
    find: 'findLast',
    findLast: 'find',
    startsWith: 'endsWith',
    endsWith: 'startsWith',
    push: 'unshift',
    shift: 'pop',
    pop: 'shift',
  }),
)
/** Methods that are forgotten: the receiver is used as it is. */
const forgettable: ReadonlySet<string> = new Set([
  'filter',
  'sort',
  'toSorted',
  'slice',
  'subarray',
  'reverse',
  'toReversed',
  'trim',
  'flat',
])

export function expressionChanges(node: AnyNode, source: Source, place: Place): readonly Change[] {
  switch (node.type) {
    case 'LogicalExpression': {
      const isLonger = node.left.type === 'LogicalExpression' && node.left.operator === node.operator
      const halves = isLonger ? [{ text: source(node.left) }] : [{ text: source(node.left) }, { text: source(node.right) }]
      // `a && b` as true is one of its halves already.
      return place.isTest ? [...halves, { text: node.operator === '&&' ? 'false' : 'true' }] : halves
    }
    case 'BinaryExpression':
      return binaryChanges(node, source, place)
    case 'UnaryExpression':
      if (node.operator === '!') return place.isHalf ? [] : constants
      if (node.operator === '-' && node.argument.type !== 'Literal') return [{ text: source(node.argument) }]
      return []
    case 'UpdateExpression': {
      if (place.isForUpdate) return []
      const operator = node.operator === '++' ? '--' : '++'
      return [{ text: node.prefix ? operator + source(node.argument) : source(node.argument) + operator }]
    }
    case 'AssignmentExpression': {
      const other = place.isForUpdate ? undefined : assignments.get(node.operator)
      return other === undefined ? [] : [{ text: `${source(node.left)} ${other} ${source(node.right)}` }]
    }
    case 'CallExpression':
      return place.isTest ? [...constants, ...callChanges(node, source)] : callChanges(node, source)
    case 'ChainExpression':
      return place.isTest ? constants : []
    case 'Identifier':
    case 'MemberExpression':
    case 'AwaitExpression':
      return place.isTest ? constants : []
    case 'Literal':
      return place.isCompared ? [] : literalChanges(node.value)
    default:
      return []
  }
}

/** As a part of another expression. */
function part(node: AnyNode, source: Source): string {
  return /^(Logical|Conditional|Assignment|ArrowFunction|Await|Yield|Binary|Sequence)/.test(node.type)
    ? `(${source(node)})`
    : source(node)
}

const constants: readonly Change[] = [{ text: 'true' }, { text: 'false' }]

function binaryChanges(node: Extract<AnyNode, { type: 'BinaryExpression' }>, source: Source, place: Place): readonly Change[] {
  const other = boundaries.get(node.operator)
  const [left, right] = [part(node.left as AnyNode, source), part(node.right, source)]
  const wholly = place.isHalf ? [] : constants
  if (other !== undefined) return [...wholly, { text: `${left} ${other} ${right}` }]
  if (equalities.has(node.operator)) return wholly
  const opposite = arithmetic.get(node.operator)
  // Texts that are put together.
  const isText = node.operator === '+' && [node.left as AnyNode, node.right].some(isTextLiteral)
  return opposite === undefined || isText ? [] : [{ text: `${left} ${opposite} ${right}` }]
}

function isTextLiteral(node: AnyNode): boolean {
  if (node.type === 'BinaryExpression') return isTextLiteral(node.left as AnyNode) || isTextLiteral(node.right)
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string')
}

function callChanges(node: Extract<AnyNode, { type: 'CallExpression' }>, source: Source): readonly Change[] {
  const { callee } = node
  if (callee.type !== 'MemberExpression' || callee.computed || callee.property.type !== 'Identifier') return []
  const name = callee.property.name
  const receiver = part(callee.object, source)
  const twin = twins.get(name)
  if (twin !== undefined) {
    const args = node.arguments.map((argument) => source(argument)).join(', ')
    return [{ text: `${receiver}.${twin}(${args})` }]
  }
  return forgettable.has(name) ? [{ text: receiver }] : []
}

function literalChanges(value: unknown): readonly Change[] {
  if (typeof value === 'boolean') return [{ text: String(!value) }]
  if (typeof value === 'number') return [{ text: String(value === 1 || value > 9 ? 0 : value + 1) }]
  return []
}

/** Whole statements that are left out, but for what can't be left out or does nothing by itself. */
export function isLeavable(node: AnyNode, source: Source): boolean {
  switch (node.type) {
    case 'ThrowStatement':
    case 'ContinueStatement':
      return true
    case 'ReturnStatement':
      return node.argument === null || node.argument === undefined
    case 'ExpressionStatement': {
      if (node.directive !== undefined) return false
      const { expression } = node
      if (expression.type === 'Literal' || expression.type === 'Identifier') return false
      if (expression.type === 'CallExpression') {
        if (expression.callee.type === 'Super') return false
        // An assertion that holds is not missed; that each can fail is a test of its own. The second closes a
        // switch for the compiler.
        if (/^(invariant|unreachable)$/.test(source(expression.callee))) return false
      }
      return true
    }
    default:
      return false
  }
}
