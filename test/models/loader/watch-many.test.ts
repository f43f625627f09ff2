/** Ten models of one server, each in its own kind of trouble: nobody's trouble is another one's. */
import { expect, it, vi } from 'vitest'
import { functionEngine, httpSource, modelLoader, type ModelLoader } from 'outrigger/models'
import { startModelServer } from '../sources/_model-server.js'

const healthy = ['a', 'b', 'c', 'd']
/** What happens to their second version, or to the server's answers about them. */
const troubled = ['hangs', 'stalls', 'damaged', 'refused', 'failing', 'gone']

it('goes on for the others while one hangs, stalls, is damaged, is refused, fails or is gone, and for these once they are well', async () => {
  const server = await startModelServer()
  const publish = async (name: string, answers: number): Promise<void> => {
    const { version } = await server.store.publish({ name, engine: 'constant', files: { 'answer.json': String(answers), 'name.txt': name }, golden: [{ input: 0, output: name === 'refused' && answers === 2 ? 7 : answers }] })
    await server.store.setAlias(name, 'champion', version)
  }
  for (const name of [...healthy, ...troubled]) await publish(name, 1)

  const source = httpSource({ url: server.url, timeoutMs: 300, retries: 0 })
  const engine = functionEngine((files) => {
    const answer = files.json('answer.json') as number
    return () => answer
  }, { name: 'constant' })
  const loaders = new Map([...healthy, ...troubled].map((name): [string, ModelLoader<number, number>] => [name, modelLoader<number, number>({ store: source, name, follow: 'champion', engines: [engine], retries: 0 })]))
  for (const loader of loaders.values()) await loader.whenReady()

  // Whose answers are spoiled is seen by the name in the path; of the damaged one it is a file that only it has.
  let isSpoilt = true
  const spoilt = new Map<string, number>()
  const hung: { end(): void }[] = []
  const own = new Map<string, string>()
  server.answer = (request, response, serve) => {
    const path = request.url ?? ''
    const name = own.get(path.split('-').at(-1) ?? '') ?? troubled.find((one) => one !== 'damaged' && path.includes(`/models/${one}/`))
    if (!isSpoilt || name === undefined) return serve()
    spoilt.set(name, (spoilt.get(name) ?? 0) + 1)
    switch (name) {
      case 'hangs': hung.push(response); return
      case 'stalls': response.writeHead(200, { 'content-length': '1000' }).write('{'); hung.push(response); return
      case 'failing': return void response.writeHead(503).end()
      case 'gone': return void response.writeHead(404).end()
      case 'damaged': return void response.writeHead(200).end('damaget')
      default: return serve()
    }
  }
  for (const name of [...healthy, ...troubled]) await publish(name, 2)
  for (const { sha256, path } of (await server.store.resolve('damaged@2')).manifest.files) if (path === 'name.txt') own.set(sha256, 'damaged')

  const stops = [...loaders.values()].map((loader) => loader.watch({ everyMs: 20, maxMs: 200 }))
  const answers = async (): Promise<Record<string, number>> => Object.fromEntries(await Promise.all([...loaders].map(async ([name, loader]) => [name, await loader(0)] as const)))
  const until = (isSo: (answers: Record<string, number>) => boolean): Promise<void> => vi.waitFor(async () => expect(await answers()).toSatisfy(isSo), { timeout: 15_000, interval: 10 })
  await until((seen) => healthy.every((name) => seen[name] === 2))
  // Every other one has met its trouble, and still answers by the first version.
  await vi.waitFor(() => {
    for (const name of troubled) expect([name, spoilt.get(name) ?? 0]).toEqual([name, expect.toSatisfy((count: number) => count >= 2)])
    expect(loaders.get('refused')?.quarantined.map(({ version }) => version)).toEqual([2])
  }, { timeout: 15_000, interval: 10 })
  const others = await answers()
  for (const name of troubled) expect([name, others[name]]).toEqual([name, 1])

  // Another release, while the trouble lasts: nobody has given up looking, and nobody waits for the troubled.
  for (const name of healthy) await publish(name, 3)
  await until((seen) => healthy.every((name) => seen[name] === 3))

  isSpoilt = false
  for (const response of hung) response.end()
  await until((seen) => troubled.every((name) => name === 'refused' || name === 'damaged' || seen[name] === 2))
  for (const name of ['refused', 'damaged']) await publish(name, 3)
  await until((seen) => seen['refused'] === 3 && seen['damaged'] === 3)
  for (const stop of stops) stop()
  for (const loader of loaders.values()) await loader.close()
  await server.stop()
}, 30_000)
