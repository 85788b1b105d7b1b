/** A check as SARIF 2.1.0: what code scanning shows beside the lines of a change. */

import type { CheckReport, Finding, NeedlessRefusal } from 'theseus-actors/rehearsal'
import type { ContractChange } from './contracts.js'

const kinds: Readonly<Record<Finding['kind'], string>> = {
  'faked success': 'A simulation object says that a call is done, and no version sees it.',
  'inconsistent answer': 'A call is answered otherwise before the flip than after it.',
  'copied state': 'A simulation object keeps a copy of state that others change, or keeps a change to itself.',
  'forgotten state': 'Something that callers were told is done is gone after the flip.',
  'query that writes': 'A query changes state.',
  'fault that only one version knows': 'A call fails on one side of the flip only.',
  'TF that depends on time or chance': 'The same state is transformed into another one each time.',
  throws: 'An error that nobody throws on purpose.',
}

export function sarifOf({ findings, hints }: CheckReport, contracts: readonly ContractChange[]) {
  const rules = Object.entries(kinds).map(([kind, text]) => ({ id: idOf(kind), shortDescription: { text } }))
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'natsctl upgrade check',
            rules: [
              ...rules,
              { id: idOf('needless refusal'), shortDescription: { text: 'A call is refused that could be carried out.' } },
              { id: idOf('broken contract'), shortDescription: { text: 'A class changes that nodes have already.' } },
            ],
          },
        },
        results: [
          ...findings.map(findingResult),
          ...hints.map(hintResult),
          ...contracts.filter(({ isAccounted }) => !isAccounted).map(contractResult),
        ],
      },
    ],
  }
}

function findingResult({ kind, line, because, transcript, blame }: Finding) {
  const what = blame.method === null ? blame.className : `${blame.className}.${blame.method}`
  const text = [`${kind}: ${what}: ${because}`, ...transcript].join('\n')
  return { ruleId: idOf(kind), level: 'error', message: { text }, ...placeOf(line) }
}

function hintResult({ line, code, method }: NeedlessRefusal) {
  const text = `needless refusal: ${method} could be carried out:\n${code}`
  return { ruleId: idOf('needless refusal'), level: 'note', message: { text }, ...placeOf(line) }
}

function contractResult({ of, change }: ContractChange) {
  return { ruleId: idOf('broken contract'), level: 'error', message: { text: `broken contract: ${of}: ${change}` } }
}

function placeOf(line: Finding['line']) {
  if (line === null) return {}
  return { locations: [{ physicalLocation: { artifactLocation: { uri: line.file }, region: { startLine: line.line } } }] }
}

function idOf(kind: string): string {
  return kind.toLowerCase().replaceAll(' ', '-')
}
