/**
 * Texts and numbers that stand in the code of classes and upgrades. Methods often behave otherwise for them,
 * and for the numbers beside them: arguments are made of these too.
 */
import type { NodeClass } from 'theseus-actors'
import { describeClass } from '../../core/model/nodeObject.js'
import { isSO } from '../../core/model/simulation.js'
import { type Cast, codeOf } from './cast.js'

export interface CodeValues {
  readonly texts: readonly string[]
  /** Limits, and the numbers just beside them. */
  readonly numbers: readonly number[]
  /** Milliseconds that a timer of theirs may take; none where they have no timers. */
  readonly waits: readonly number[]
  /** Texts that the new code might misread: longer than a limit in it, or with a separator. */
  readonly oddTexts: readonly string[]
}

export const noCodeValues: CodeValues = { texts: [], numbers: [], waits: [], oddTexts: [] }

const textsMax = 12
const numbersMax = 24
const longTextsMax = 4
/** Larger numbers are no lengths of texts. */
const lengthMax = 1_000
/** Calls have smaller numbers all the time. */
const numberMin = 2
const numberMax = 1_000_000_000

export function codeValuesOf({ members, upgrades }: Cast): CodeValues {
  const classes = new Set([...members.values()].flatMap(({ line }) => line))
  const ofClasses = [...classes].flatMap(codeOf)
  const codes = [...ofClasses, ...upgrades.flatMap(({ classUpgrades }) => classUpgrades.flatMap(codesOf))]
  const limits = numbersIn(codes)
  const old = [...members.values()].flatMap(({ line: [first] }) => codeOf(first!))
  return {
    texts: textsIn(codes, classes),
    numbers: [...new Set(limits.flatMap((limit) => [limit, limit + 1, limit - 1]))].slice(0, numbersMax),
    waits: waitsIn(ofClasses, limits),
    oddTexts: [
      ...limits
        .filter((limit) => Number.isInteger(limit) && limit <= lengthMax)
        .slice(0, longTextsMax)
        .map(longText),
      // A separator that the old class has already cannot be in a text of its.
      ...separatorsIn(codes.filter((code) => !old.includes(code)))
        .filter((text) => !separatorsIn(old).includes(text))
        .map((text) => `a${text}b`),
    ],
  }
}

type ClassUpgrade = Cast['upgrades'][number]['classUpgrades'][number]

function codesOf({ pastSO, futureSO, transform, records }: ClassUpgrade): readonly string[] {
  const simulations = [pastSO, futureSO].filter(isSO).flatMap(({ methods }) => Object.values(methods))
  const made = Object.values(records ?? {}).map(({ record }) => record)
  return [...simulations, transform, ...made].map((each) => Function.prototype.toString.call(each))
}

function textsIn(codes: readonly string[], classes: ReadonlySet<NodeClass>): readonly string[] {
  const found = new Set<string>()
  for (const code of codes)
    for (const [, , text] of code.matchAll(/(['"])([\w/.-]{1,24})\1/g)) if (found.size < textsMax) found.add(text!)
  for (const definition of classes) {
    found.delete(definition.className)
    found.delete(describeClass(definition).service)
  }
  return [...found]
}

function numbersIn(codes: readonly string[]): readonly number[] {
  const found = new Set<number>()
  for (const code of codes)
    for (const [text] of code.matchAll(/(?<![\w.$])\d[\d_]*(?:\.\d+)?(?:e\d+)?(?![\w.$])/g)) {
      const value = Number(text.replaceAll('_', ''))
      if (Number.isFinite(value) && value >= numberMin && value <= numberMax && found.size < numbersMax) found.add(value)
    }
  return [...found]
}

function longText(limit: number): string {
  return 'long '.repeat(lengthMax / 5).slice(0, limit + 1)
}

/** Signs that join texts, or divide them. */
function separatorsIn(codes: readonly string[]): readonly string[] {
  return [
    ...new Set(
      codes.flatMap((code) =>
        [...code.matchAll(/(['"`])([,;:|/.\-_&=#@+\n\t])\1|\}([,;:|/.\-_&=#@+])\$\{/g)].map((found) => found[2] ?? found[3]!),
      ),
    ),
  ]
}

/** Long enough for most, and as long as the code says. */
function waitsIn(codes: readonly string[], limits: readonly number[]): readonly number[] {
  if (!codes.some((code) => /\.\s*after\s*\(/.test(code))) return []
  return [timerMs, ...limits.filter((limit) => limit >= timerMs && limit <= waitMsMax).map((limit) => limit + 1)]
}

const timerMs = 300
const waitMsMax = 60_000
