/**
 * The file of an order that several sign: a directive, an undo, or an upgrade of keys. One MessagePack array
 * in standard types: the format number 1, the purpose (`manifest` or `directive`), the document's bytes, and
 * a list of keys and signatures over them.
 */
import { readFile } from 'node:fs/promises'
import { Packr, Unpackr } from 'msgpackr'
import { Fault, isFault, type Signer } from 'theseus-actors'
import { decodeSignatures, encodeSignatures, isSignedBy, type SignatureSet, signatureOver } from 'theseus-actors/nkeys'
import {
  type Directive,
  decodeDirective,
  decodeManifest,
  describeOrder,
  fileFormats,
  type Gather,
  identityIn,
  identityNamed,
  isRead,
  type Manifest,
  manifestBytesMax,
  type Signed,
  upgradersMax,
} from 'theseus-actors/operator'
import { writeAtomically } from '../output/atomicFile.js'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { type OutputForm, show } from '../output/forms.js'
import { oneLine, print } from '../output/output.js'

export const orderFileFormat = fileFormats.order.newest
const orderFileBytesMax = manifestBytesMax + upgradersMax * 256 + 64

const standard = { useRecords: false, variableMapSize: true, copyBuffers: true } as const

/** Of commands whose order can go to a file, for others to sign. */
export interface ToFlags {
  readonly to?: string
}

export type Ordered =
  | { readonly purpose: 'directive'; readonly directive: Directive }
  | { readonly purpose: 'manifest'; readonly manifest: Manifest }

export type OrderFile = Ordered & { readonly bytes: Uint8Array; readonly signatures: SignatureSet }

/** A document that is signed with `--to` goes to the file, and the command is over. */
export function gatherTo(file: string, output: OutputForm): Gather {
  return async ({ purpose, bytes, signature }) => {
    const ordered = orderedIn(purpose, bytes)
    const signatures = signature === null ? new Map() : decodeSignatures(signature, upgraderOf(ordered) ?? '')
    const order = { ...ordered, bytes, signatures }
    await writeAtomically(file, encodeOrderFile(order))
    showOrder(file, order, output)
    throw new Failure(
      exitCodes.done,
      `not sent: others sign it with "natsctl order sign ${file}", then "natsctl order send ${file}"`,
    )
  }
}

export function encodeOrderFile({ purpose, bytes, signatures }: OrderFile): Uint8Array {
  return new Uint8Array(new Packr(standard).pack([orderFileFormat, purpose, bytes, [...signatures]]))
}

/**
 * Throws `config.invalid` for what `encodeOrderFile` did not make, and `upgrade.signature` for
 * a signature that is none.
 */
export function decodeOrderFile(file: Uint8Array): OrderFile {
  const invalid = () => new Fault('config.invalid', 'this is no order: a command with --to makes one')
  if (file.length > orderFileBytesMax) throw invalid()
  let value: unknown
  try {
    value = new Unpackr(standard).unpack(file)
  } catch {
    throw invalid()
  }
  const [format, purpose, bytes, pairs] = Array.isArray(value) ? value : []
  const isWhole = (purpose === 'manifest' || purpose === 'directive') && bytes instanceof Uint8Array && Array.isArray(pairs)
  if (!isRead(fileFormats.order, format) || !isWhole || pairs.length === 0 || pairs.length > upgradersMax) throw invalid()
  const signatures = new Map<string, Uint8Array>()
  for (const pair of pairs) {
    const [key, signature] = Array.isArray(pair) ? pair : []
    if (typeof key !== 'string' || !(signature instanceof Uint8Array) || signatures.has(key)) throw invalid()
    if (!isSignedBy(key, purpose, bytes, signature))
      throw new Fault('upgrade.signature', 'it has a signature that is not over this order')
    signatures.set(key, signature)
  }
  return { ...orderedIn(purpose, bytes), bytes, signatures }
}

export async function readOrderFile(file: string): Promise<OrderFile> {
  try {
    return decodeOrderFile(await readFile(file))
  } catch (error) {
    const why = isFault(error)
      ? `${error.code}: ${file}: ${error.message}`
      : `error: can't read ${file}: ${(error as Error).message}`
    throw new Failure(exitCodes.error, oneLine(why), { cause: error })
  }
}

/** One more, over the same bytes. */
export function signedOrder(order: OrderFile, signer: Signer): OrderFile {
  const signature = signatureOver(order.purpose, order.bytes, signer)
  return { ...order, signatures: new Map([...order.signatures, [signer.publicKey, signature]]) }
}

/** As it is sent. */
export function signedDocumentOf(order: OrderFile): Signed {
  const { bytes, signatures } = order
  const by = upgraderOf(order) ?? ''
  const isFirst = identityOf(order) === null
  // Release 0.1.0 reads a document that names no identity, and knows one signature.
  const sent = isFirst ? new Map([...signatures].filter(([key]) => key === by)) : signatures
  return { bytes, signature: encodeSignatures(sent, by) }
}

function orderedIn(purpose: 'manifest' | 'directive', bytes: Uint8Array): Ordered {
  return purpose === 'manifest' ? { purpose, manifest: decodeManifest(bytes) } : { purpose, directive: decodeDirective(bytes) }
}

function upgraderOf(ordered: Ordered): string | null {
  return ordered.purpose === 'manifest' ? ordered.manifest.upgrader : ordered.directive.upgrader
}

export function identityOf(ordered: Ordered): string | null {
  return ordered.purpose === 'manifest' ? identityIn(ordered.manifest) : identityNamed(ordered.directive)
}

export function systemOf(ordered: Ordered): string {
  return ordered.purpose === 'manifest' ? ordered.manifest.system : ordered.directive.system
}

/** One who signs sees all that it decides. */
function linesOf(ordered: Ordered): readonly string[] {
  if (ordered.purpose === 'directive') return [`directive ${ordered.directive.number}: ${describeOrder(ordered.directive.what)}`]
  const { manifest } = ordered
  const { version, title, upgraders, classUpgrades } = manifest
  const isNew = manifest.format !== 1
  const ends = isNew ? manifest.until : {}
  const need = isNew && manifest.need !== null ? Object.entries(manifest.need) : []
  return [
    `version ${version}: ${title}`,
    ...classUpgrades.map(({ service, oldClass, newClass }) => `  ${service}: ${oldClass} → ${newClass}`),
    ...(upgraders ?? []).map((key) => `upgrader ${key}${ends[key] === undefined ? '' : ` until ${ends[key]}`}`),
    ...need.map(([decision, k]) => `${decision}: ${k} have to sign`),
  ]
}

export function showOrder(file: string, order: OrderFile, output: OutputForm): void {
  const [system, identity, by] = [systemOf(order), identityOf(order), [...order.signatures.keys()]]
  const what = order.purpose === 'directive' ? { order: order.directive.what } : { manifest: order.manifest }
  show(output, {
    table: () => {
      print(`${file}: for system ${system}${identity === null ? '' : `, identity ${identity}`}`)
      for (const line of linesOf(order)) print(oneLine(line))
      for (const key of by) print(`  signed by ${key}`)
    },
    document: () => ({ file, system, identity, ...what, signedBy: by }),
    names: () => [`order/${file}`],
  })
}
