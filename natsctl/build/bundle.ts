/**
 * One module out of many, with esbuild. The same sources give the same bytes wherever they lie: a bundle's
 * digest is its name, and two people who build an upgrade can compare theirs. So it names files by their way
 * from the upgrade's own, and has no source map, which would repeat every source; the bundle is not minified
 * and can be read instead.
 */
import { basename, dirname, join, relative } from 'node:path'
import { type BuildFailure, type BuildOptions, build, type Message, type Plugin } from 'esbuild'
import { Fault } from 'theseus-actors'
import { bundleBytesMax, bundleSpecifier } from 'theseus-actors/operator'

/**
 * The host's own copies: an upgrade's classes must be of its `NodeObject`, and ask its container
 * (transports/modules).
 */
const external = ['theseus', 'theseus/*', 'tsyringe', 'reflect-metadata']

/** Sources import the package by its name. A bundle has a name for it that all hosts know. */
const runtime: Plugin = {
  name: 'runtime',
  setup({ onResolve }) {
    onResolve({ filter: /^theseus-actors(\/|$)/ }, ({ path }) => ({ path: bundleSpecifier(path), external: true }))
  },
}

/** A CommonJS package asks for Node's modules by `require`, which a module does not have. */
const requireBanner =
  "import { createRequire as theseusCreateRequire } from 'node:module'\nconst require = theseusCreateRequire(import.meta.url)"
const requireShim = 'Dynamic require of "'

/** `source` is a real path. Throws `upgrade.invalid` with file, line and text of each error. */
export async function bundle(source: string, tsconfig: string | undefined): Promise<Uint8Array> {
  let bytes = await bundled(source, tsconfig, {})
  if (new TextDecoder().decode(bytes).includes(requireShim))
    bytes = await bundled(source, tsconfig, { banner: { js: requireBanner } })
  if (bytes.length <= bundleBytesMax) return bytes
  throw new Fault('upgrade.invalid', `the bundle has ${bytes.length} bytes; at most ${bundleBytesMax} are accepted`, { source })
}

async function bundled(source: string, tsconfig: string | undefined, options: BuildOptions): Promise<Uint8Array> {
  try {
    const { outputFiles } = await build({
      ...options,
      entryPoints: [basename(source)],
      absWorkingDir: dirname(source),
      ...(tsconfig === undefined ? { tsconfigRaw: { compilerOptions: { experimentalDecorators: true } } } : { tsconfig }),
      bundle: true,
      write: false,
      outfile: 'upgrade.mjs',
      external,
      plugins: [runtime],
      platform: 'node',
      format: 'esm',
      target: 'node22',
      charset: 'utf8',
      keepNames: false,
      legalComments: 'none',
      logLevel: 'silent',
    })
    return outputFiles[0]!.contents
  } catch (error) {
    const { errors } = error as Partial<BuildFailure>
    if (errors === undefined || errors.length === 0) throw error
    throw new Fault('upgrade.invalid', errors.map((message) => lineOf(message, dirname(source))).join('\n'), { source })
  }
}

/** As the type checker writes its lines: from where the user stands. */
function lineOf({ location, text }: Message, directory: string): string {
  if (location === null) return text
  return `${relative(process.cwd(), join(directory, location.file))}:${location.line}:${location.column + 1}: ${text}`
}
