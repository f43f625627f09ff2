/** Runs one judge in a process of its own, so that a crash is an observation; says over IPC how it went. */
import { pathToFileURL } from 'node:url'
import { CannotJudge, type Judge } from './judge.js'

const [file = ''] = process.argv.slice(2)
const tell = (message: object): Promise<void> => new Promise((resolve, reject) => process.send?.(message, undefined, {}, (error) => (error === null ? resolve() : reject(error))))
try {
  const { judge } = (await import(pathToFileURL(file).href)) as { judge: Judge }
  await tell({ verdict: await judge() })
} catch (error) {
  if (!(error instanceof CannotJudge)) throw error
  await tell({ cannot: error.message })
}
process.disconnect()
