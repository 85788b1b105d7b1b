/**
 * The hosts' bounds and intervals in the world: short, so that a plan of a few seconds holds many of each.
 */
import type { HostOptions } from 'theseus-actors'
import type { Plan } from './plan.js'

const worldSettings: NonNullable<HostOptions['settings']> = {
  callDeadlineMs: 1_500,
  queryResendMs: 250,
  retryPauseMs: 20,
  retryPauseMsMax: 200,
  askServerMs: 2_000,
  unknownVersionMs: 150,
  serverDeadlineMs: 1_000,
  chunkDeadlineMs: 1_500,
  chunkResendMs: 300,
  announcedWithinMs: 100,
  leaseMs: 3_000,
  backoffMs: 40,
  backoffMsMax: 400,
  stopTimeoutMs: 300,
  populationMs: 80,
  controlsMs: 200,
  slotPauseMs: 60,
  heldAnswerMs: 60,
  // Fewer than there are nodes.
  upgradesAtOnceMax: 2,
  learnPerTurnMax: 2,
  // So few that a small register takes several turns and transactions.
  transformRecordsPerTurn: 1,
  transformRecordsPerCommit: 2,
  sweepKeysPerCommit: 3,
  // So slow that calls, upgrades and crashes find records of every kind.
  recordsPerPass: 2,
  passPauseMs: 25,
  passPauseMsMax: 200,
}

/** Longer than all calls that end by themselves. */
const leaveMs = 1_500

/** Probations end while upgrades are under way. */
const shortLeaseMs = 700

/** Shards are taken over while upgrades are under way, and hosts stand still for longer than a lease. */
export const shardLeaseMs = 900
export const shardGuardMs = 200
const shardSettings: NonNullable<HostOptions['settings']> = {
  shardLeaseMs,
  shardGuardMs,
  shardSuccessorMs: 250,
  shardOfferMs: 100,
  shardSettleMs: 50,
  wakingMax: 2,
}

export function settingsOf({ limit, deaths, habits, dimensions, shards }: Plan): NonNullable<HostOptions['settings']> {
  // Where versions die, nodes that are down are soon not heard of any more.
  const leaving = habits.includes('endless') ? { leaveMs } : {}
  const isShort = deaths !== null || dimensions.includes('midwayLosses')
  const sharded = shards && { ...shardSettings, snapshotBytesMin: shards.snapshotBytesMin, sleepAfterMs: shards.sleepAfterMs }
  return { ...worldSettings, ...sharded, limit, ...leaving, ...(isShort ? { leaseMs: shortLeaseMs } : {}) }
}
