/** Puts the page together: one file with its style and its script, and uPlot in it. Run by the build, and by tests; not part of the package. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const at = (path: string): string => fileURLToPath(new URL(`./page/${path}`, import.meta.url))
const read = (path: string): string => readFileSync(path, 'utf8')

export const bundlePage = async (): Promise<string> => {
  const script = await build({ entryPoints: [at('main.ts')], bundle: true, minify: true, write: false, format: 'iife', target: 'es2022', charset: 'utf8', legalComments: 'inline', logLevel: 'silent' })
  const uplot = fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css'))
  const style = await transform(read(uplot) + read(at('page.css')), { loader: 'css', minify: true })
  // An end tag within a script would end it.
  const code = (script.outputFiles[0]?.text ?? '').trim().replaceAll('</', '<\\/')
  return read(at('page.html')).replace('<style></style>', () => `<style>${style.code.trim()}</style>`).replace('<script></script>', () => `<script>${code}</script>`)
}
