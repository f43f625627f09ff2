/**
 * What workers are started with: outrigger's program for them as one file of JavaScript. Everything here is run from
 * its TypeScript sources, which a worker would have to compile anew: twice the time, three times the memory.
 */
import { rename } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const packageFolder = new URL('../../', import.meta.url)

/** Makes the file, and says where it is: where the packages that it imports are found. */
export const bundledIsolate = async (): Promise<URL> => {
  const outfile = fileURLToPath(new URL('node_modules/.cache/outrigger/isolate.mjs', packageFolder))
  // Another run may be starting its workers from it.
  const draft = `${outfile}.${process.pid}`
  await build({
    entryPoints: [fileURLToPath(new URL('src/models/isolation/entry.ts', packageFolder))],
    outfile: draft,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['@tensorflow/*', 'onnxruntime-node'],
    logLevel: 'error',
  })
  await rename(draft, outfile)
  return pathToFileURL(outfile)
}
