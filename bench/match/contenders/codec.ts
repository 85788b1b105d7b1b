/**
 * The codec of every contender that has none of its own: the options of core/wire/codec.ts, standard
 * MessagePack as any language speaks it.
 */
import { type Options, Packr } from 'msgpackr'

const standard = { useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, int64AsType: 'auto', copyBuffers: true }

export const packr = new Packr(standard as unknown as Options)
