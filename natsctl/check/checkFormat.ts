/** A check as JSON (docs/natsctl.md has its form). */
import type { Blame, CheckReport, Outcome } from 'theseus-actors/rehearsal'

export function checkJson({ holds, findings, meant, hints, tried, untried, notCompared, real, histories, seed }: CheckReport) {
  return {
    holds,
    histories,
    seed,
    real,
    findings: findings.map(({ kind, version, blame, line, call, early, late, because, transcript }) => ({
      kind,
      version,
      ...blameJson(blame),
      line,
      call: { node: call.node, version: call.version, method: call.method, args: call.args },
      callFirst: outcomeJson(early),
      flipFirst: outcomeJson(late),
      because,
      transcript,
    })),
    meant: meant.map(({ isSeen, ...change }) => ({ ...change, seen: isSeen })),
    hints: hints.map(({ version, blame, line, code }) => ({ version, ...blameJson(blame), line, code })),
    tried,
    untried,
    notCompared,
  }
}

function blameJson({ part, className, method, how }: Blame) {
  return { part, className, method, how }
}

function outcomeJson(outcome: Outcome) {
  const { is, ...more } = outcome
  return { is, ...more }
}
