/**
 * `mlflowSource` against real MLflow servers of both major versions: models are logged, registered, aliased, tagged,
 * changed and deleted by MLflow's own Python client, and served here.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { InferenceSession } from 'onnxruntime-node'
import { seededRandom } from 'outrigger/core'
import { checkTrust, mlflowSource, modelLoader, onnx, signManifest, trustPolicy, type MlflowSource, type MlflowSourceOptions, type ModelLoader } from 'outrigger/models'
import { check, type Check, type Judge } from '../judge.js'
import { startCuttingProxy } from './cutting-proxy.js'
import { startMlflow, type MlflowServer } from './mlflow-server.js'

const folders: string[] = []
/** A machine that has seen nothing yet. */
const newCache = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-mlflow-cache-'))
  folders.push(folder)
  return folder
}

const expect = (holds: boolean, seen: unknown): void => {
  if (!holds) throw new Error(`seen: ${JSON.stringify(seen)}`)
}

const codeOf = async (work: Promise<unknown>): Promise<string> => await work.then(() => 'success', (error: unknown) => String((error as { readonly code?: unknown }).code ?? error))

const refused = async (work: Promise<unknown>, code: string): Promise<string> => {
  const seen = await codeOf(work)
  expect(seen === code, seen)
  return code
}

type Scale = ModelLoader<readonly number[], number>

/** Follows a model with the ONNX engine. */
const follow = async (source: MlflowSource, name: string, target: string | number): Promise<Scale> => {
  const predict: Scale = modelLoader({ store: source, name, follow: target, engines: [onnx({ session: { intraOpNumThreads: 1 }, output: ([y]) => y as number })] })
  await predict.whenReady()
  return predict
}

const answersOf = async (source: MlflowSource, name: string, target: string | number): Promise<number[]> => {
  const predict = await follow(source, name, target)
  const answers = await predict.batch(rows)
  await predict.close()
  return answers
}

const rows = [[1, 2, 3, 4], [0.5, 0, 0, 0]]

const conversation = async (version: string, server: MlflowServer): Promise<Check[]> => {
  const { url, ask } = server
  const machine = newCache()
  const sourceAt = (path: string, options: Partial<MlflowSourceOptions> = {}): MlflowSource => mlflowSource({ url, cache: { path }, ...options })
  const source = sourceAt(machine)
  const checks: Check[] = []
  const judge = async (name: string, look: () => Promise<string>): Promise<void> => void checks.push(await check(`MLflow ${version}: ${name}`, look))

  await ask('log_onnx', 'delay', 2)
  await ask('log_onnx', 'delay', 3)
  await ask('alias', 'delay', 'champion', 1)

  await judge('found by alias, number and latest, in both spellings', async () => {
    const seen: number[] = []
    for (const reference of ['delay@champion', 'models:/delay@champion', 'delay@2', 'models:/delay/2', 'delay@latest', 'models:/delay/latest']) seen.push((await source.resolve(reference)).version)
    expect(isDeepStrictEqual(seen, [1, 1, 2, 2, 2, 2]), seen)
    return `versions ${seen.join(', ')}`
  })
  await judge('the signature of the MLmodel file', async () => {
    const { manifest } = await source.resolve('delay@champion')
    expect(isDeepStrictEqual(manifest.signature, { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }] }), manifest.signature)
    return `${JSON.stringify(manifest.signature)}, engine ${manifest.engine}`
  })
  await judge('onnxruntime-node answers as MLflow\'s own Python does', async () => {
    const [ours, theirs] = [await answersOf(source, 'delay', 'champion'), (await ask('predict', 'delay', 1, rows) as number[][]).flat()]
    expect(isDeepStrictEqual(ours, theirs), { ours, theirs })
    return `[${ours.join(', ')}] for two rows`
  })
  await judge('two machines make the same digest of it', async () => {
    const [here, there] = [await source.resolve('delay@champion'), await sourceAt(newCache()).resolve('delay@champion')]
    expect(here.digest === there.digest, [here.digest, there.digest])
    return here.manifest.files.map(({ path }) => path).join(', ')
  })
  await judge('a loader follows the alias that MLflow moves', async () => {
    const predict = await follow(source, 'delay', 'champion')
    const before = await predict([1, 1, 1, 1])
    await ask('alias', 'delay', 'champion', 2)
    const { version: live } = await predict.refresh()
    const after = await predict([1, 1, 1, 1])
    await predict.close()
    await ask('alias', 'delay', 'champion', 1)
    expect(before === 8 && after === 12 && live === '2', { before, after, live })
    return `${before} by version 1, ${after} by version ${live}`
  })
  await judge('what is not there is not found', async () => {
    for (const reference of ['delay@nobody', 'delay@9', 'other@1', 'other@champion', 'other@latest', `delay@${'a'.repeat(64)}`]) await refused(source.resolve(reference), 'ERR_OUTRIGGER_MODEL_NOT_FOUND')
    return 'alias, version, model, latest, digest'
  })
  await judge('pickles are refused before they are fetched', async () => {
    await ask('log_pyfunc', 'pickled')
    return await refused(source.resolve('pickled@1'), 'ERR_OUTRIGGER_ENGINE_UNKNOWN')
  })
  await judge('signatures that name no tensors are left out, and metadata of every kind is passed over', async () => {
    await ask('log_onnx', 'odd', 1, 'nameless', 0, { 'it\'s': 'a: "quoted" # text', multi: 'line one\nline two\n', none: null, list: [1, { a: [] }], empty: {}, long: 'word '.repeat(100), 'ünï': '☃' })
    await ask('log_onnx', 'odd', 1, 'columns')
    await ask('log_onnx', 'odd', 1, 'none')
    for (const each of [1, 2, 3]) expect((await source.open(`odd@${each}`)).manifest.signature === undefined, each)
    return 'tensors without names, columns, none'
  })
  // MLflow 2 closes the connection where a name has a character that Latin-1 has not.
  const odd = version.startsWith('2.') ? 'größe 100%.bin' : 'größe ☃ 100%.bin'
  const tfjs = { 'model.json': '{"format":"layers-model"}', [`weights/${odd}`]: 'w', 'weights/deep/er.bin': 'x', 'empty.bin': '' }
  await judge('files of tfjs, registered without a flavor, in folders and with odd names', async () => {
    await ask('log_files', 'browser', tfjs)
    const opened = await source.open('browser@1')
    const seen = Object.fromEntries(opened.files.paths.map((path) => [path, opened.files.text(path)]))
    expect(opened.manifest.engine === 'tfjs' && isDeepStrictEqual(seen, Object.fromEntries(Object.entries(tfjs).sort(([a], [b]) => (a < b ? -1 : 1)))), seen)
    return opened.files.paths.join(', ')
  })
  await judge('a large file comes through cut after cut', async () => {
    await ask('log_onnx', 'large', 5, 'named', 24_000_000)
    const random = seededRandom('mlflow')
    // MLflow 2 knows no ranges: what was cut is sent again, so that the cuts have to end.
    const proxy = await startCuttingProxy(url, () => (proxy.cuts < 4 ? 1_000_000 + random.integer(6_000_000) : Infinity))
    try {
      const answers = await answersOf(mlflowSource({ url: proxy.url, cache: { path: newCache() }, retries: 4 }), 'large', 1)
      expect(isDeepStrictEqual(answers, [50, 2.5]) && proxy.cuts === 4 && (version.startsWith('2.') || proxy.passed < 1.1 * 24_000_000), { answers, cuts: proxy.cuts, passed: proxy.passed })
      return `24 MB in spite of ${proxy.cuts} cuts, ${(proxy.passed / 1e6).toFixed(1)} MB on the wire`
    } finally {
      await proxy.stop()
    }
  })
  await judge('the digest in a tag lets it pass where it is that, and signatures in a tag satisfy a trust policy', async () => {
    const { digest, manifest } = await source.resolve('delay@1')
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    await ask('tag', 'delay', 1, 'outrigger.digest', digest)
    await ask('tag', 'delay', 1, 'outrigger.signatures', JSON.stringify([signManifest(manifest, privateKey)]))
    const found = await sourceAt(newCache()).resolve('delay@champion')
    checkTrust(found, trustPolicy({ require: 'signature', keys: [publicKey] }))
    return `digest ${digest.slice(0, 12)}…, ${found.signatures?.length} signature`
  })
  await judge('a byte that changed on the server\'s disk is refused: by the tag, and by what was seen first', async () => {
    const original = (await source.open('delay@1')).files.bytes('model.onnx')
    const file = readdirSync(server.artifacts, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name))
      .find((path) => path.endsWith('model.onnx') && readFileSync(path).equals(original)) as string
    const changed = Buffer.from(original)
    changed[changed.indexOf(Buffer.from(Float32Array.of(2, 2, 2, 2).buffer))] = 1
    // Nobody else would notice.
    await (await InferenceSession.create(changed)).release()
    writeFileSync(file, changed)
    try {
      expect((await source.open('delay@1')).digest.length === 64, 'the machine that has the bytes')
      await refused(sourceAt(newCache()).resolve('delay@1'), 'ERR_OUTRIGGER_MODEL_CORRUPT')
      rmSync(join(machine, 'blobs'), { recursive: true })
      await refused(sourceAt(machine).open('delay@1'), 'ERR_OUTRIGGER_MODEL_CORRUPT')
    } finally {
      writeFileSync(file, original)
    }
    expect((await sourceAt(machine).open('delay@1')).version === 1, 'after the repair')
    return 'one byte of a weight; onnxruntime loads both'
  })
  await judge('the server is killed: a service starts on what it had, and goes on when it is back', async () => {
    await source.open('delay@champion')
    await server.kill()
    const restarted = sourceAt(machine, { retries: 0 })
    const states: string[] = []
    restarted.observe((event) => { if (event.type === 'state') states.push(event.to) })
    const answers = await answersOf(restarted, 'delay', 'champion')
    await refused(restarted.resolve('unseen@1'), 'ERR_OUTRIGGER_SOURCE_FAILED')
    await server.start()
    await restarted.resolve('delay@latest')
    expect(isDeepStrictEqual(answers, [20, 1]) && isDeepStrictEqual(states, ['offline', 'online']), { answers, states })
    return `[${answers.join(', ')}] while it was away; states ${states.join(', ')}`
  })
  await judge('a version that was deleted and made again under its number is refused where it was seen', async () => {
    await ask('delete_model', 'browser')
    await ask('log_files', 'browser', tfjs)
    const fresh = await sourceAt(newCache()).resolve('browser@1')
    expect(fresh.version === 1, fresh.version)
    return await refused(source.resolve('browser@1'), 'ERR_OUTRIGGER_MODEL_CORRUPT')
  })
  return checks
}

export const judge: Judge = async () => {
  const checks: Check[] = []
  const versions: Record<string, string> = {}
  try {
    for (const version of ['3.17.2', '2.22.5']) {
      const server = await startMlflow(version)
      try {
        const { mlflow, onnx } = await server.ask('versions') as { readonly mlflow: string; readonly onnx: string }
        versions[`MLflow ${mlflow.split('.')[0]}`] = `${mlflow} (onnx ${onnx})`
        checks.push(...await conversation(version, server))
      } finally {
        await server.stop()
      }
    }
    const direct = await startMlflow('3.17.2', ['--no-serve-artifacts', '--default-artifact-root', mkdtempSync(join(tmpdir(), 'outrigger-mlflow-artifacts-'))])
    try {
      await direct.ask('log_onnx', 'delay', 2)
      checks.push(await check('MLflow 3.17.2 that does not serve artifacts: said plainly', async () => {
        const error = await mlflowSource({ url: direct.url, cache: { path: newCache() } }).resolve('delay@1').then(() => undefined, (thrown: unknown) => thrown as Error & { readonly retryable?: boolean })
        expect(error?.message.includes('--serve-artifacts') === true && error.retryable === false, error?.message)
        return 'ERR_OUTRIGGER_SOURCE_FAILED, not retryable'
      }))
    } finally {
      await direct.stop()
    }
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
  return { versions, checks }
}
