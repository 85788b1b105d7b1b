import type { Version } from '../base/ids.js'
import type { Replier } from './envelope.js'
import { WireWriter } from './wireWriter.js'

const scratch = new WireWriter()

/** One that answers often: the fields that say who it is are packed once, and written with each answer. */
export class FrequentReplier implements Replier {
  #fields: Uint8Array | undefined

  constructor(
    readonly node: string,
    readonly className: string,
    readonly version: Version,
  ) {}

  writeTo(writer: WireWriter): void {
    writer.packed((this.#fields ??= packed(this)))
  }
}

function packed(replier: Replier): Uint8Array {
  scratch.truncate(0)
  writeFields(scratch, replier)
  return scratch.copy()
}

/** How an answer is signed. */
export function writeReplier(writer: WireWriter, replier: Replier): void {
  if (replier instanceof FrequentReplier) replier.writeTo(writer)
  else writeFields(writer, replier)
}

function writeFields(writer: WireWriter, { node, className, version }: Replier): void {
  writer.text(node)
  writer.text(className)
  writer.number(version)
}
