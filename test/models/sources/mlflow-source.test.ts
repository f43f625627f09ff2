import { generateKeyPairSync } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { checkTrust, mlflowSource, signManifest, trustPolicy, type MlflowSource, type MlflowSourceOptions, type ModelSignature } from 'outrigger/models'
import { temporaryFolder } from '../temporary.js'
import { mlModelText, startMlflow, type FakeMlflow, type FakeVersion } from './_mlflow-server.js'
import { hastyClock } from './_model-server.js'

const servers: FakeMlflow[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

const signature: ModelSignature = { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }] }
const onnxFiles = (content = 'weights'): Record<string, string> => ({ MLmodel: mlModelText(['onnx', 'python_function'], signature), 'model.onnx': content, 'conda.yaml': 'a: b\n', 'requirements.txt': '' })

const registry = async (): Promise<{ server: FakeMlflow; version: FakeVersion; path: string; source: MlflowSource }> => {
  const server = await startMlflow()
  servers.push(server)
  server.register('delay', onnxFiles())
  const model = server.models.get('delay')
  Object.assign(model?.aliases ?? {}, { champion: 1 })
  const path = await temporaryFolder()
  return { server, version: model?.versions.get(1) as FakeVersion, path, source: sourceOf(server, path) }
}
const sourceOf = (server: FakeMlflow, path: string, options: Partial<MlflowSourceOptions> = {}): MlflowSource =>
  mlflowSource({ url: server.url, cache: { path }, clock: hastyClock, ...options })

const failure = async (work: Promise<unknown>): Promise<Record<string, unknown>> =>
  await work.then(() => ({ code: 'no error' }), (error: unknown) => ({ ...(error as object), code: (error as { code: string }).code, message: (error as Error).message }))
const artifactsAsked = (server: FakeMlflow): string[] => server.seen.map(({ path }) => path).filter((path) => path.includes('/mlflow-artifacts/artifacts/')).map((path) => path.slice(path.lastIndexOf('/') + 1))

describe('mlflowSource', () => {
  it('takes both spellings, and no stages', async () => {
    const { source } = await registry()
    for (const reference of ['delay@champion', 'delay@1', 'delay@latest', 'models:/delay@champion', 'models:/delay/1', 'models:/delay/latest']) {
      expect((await source.resolve(reference)).version, reference).toBe(1)
    }
    for (const reference of ['models:/delay/Production', 'models:/delay', 'models:/m-0123', 'models:delay@champion', 'runs:/abc/model']) {
      expect(await failure(source.resolve(reference)), reference).toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    }
  })

  it('makes a manifest of the version and nothing else, so that every machine gets the same digest', async () => {
    const { server, source } = await registry()
    const here = await source.resolve('delay@champion')
    const there = await sourceOf(server, await temporaryFolder()).resolve('delay@1')
    expect(here).toEqual(there)
    expect(here.manifest).toMatchObject({ name: 'delay', version: 1, engine: 'onnx', created: '2026-11-26T23:08:27.632Z', signature, lineage: { registry: 'mlflow', source: 'models:/m-delay1', runId: 'run1' } })
    expect(here.manifest.files.map(({ path }) => path)).toEqual(['MLmodel', 'conda.yaml', 'model.onnx', 'requirements.txt'])
  })

  it('downloads a version once, and follows an alias with one small question', async () => {
    const { server, source } = await registry()
    await source.open('delay@champion')
    expect(artifactsAsked(server).sort()).toEqual(['MLmodel', 'conda.yaml', 'model.onnx', 'requirements.txt'])
    const before = server.seen.length
    await source.resolve('delay@champion')
    expect(server.seen.slice(before).map(({ path }) => path)).toEqual(['/api/2.0/mlflow/registered-models/alias?name=delay&alias=champion'])
    await Promise.all([source.open('delay@1'), source.open('delay@latest')])
    expect(artifactsAsked(server)).toHaveLength(4)
  })

  it('many who resolve at once share the download', async () => {
    const { server, source } = await registry()
    await Promise.all(Array.from({ length: 8 }, () => source.resolve('delay@1')))
    expect(artifactsAsked(server)).toHaveLength(4)
  })

  it('sends the headers with every request', async () => {
    const { server, path } = await registry()
    await sourceOf(server, path, { headers: { authorization: 'Bearer t' } }).open('delay@1')
    expect(server.seen.every(({ headers }) => headers.authorization === 'Bearer t')).toBe(true)
  })
})

describe('mlflowSource and what it trusts', () => {
  it('stays with the bytes that it saw first', async () => {
    const { version, source } = await registry()
    const first = await source.open('delay@1')
    version.files.set('model.onnx', new TextEncoder().encode('changed'))
    expect((await source.open('delay@1')).files.text('model.onnx')).toBe('weights')
    expect((await source.resolve('delay@1')).digest).toBe(first.digest)
  })

  it('refuses changed bytes when it has to fetch them again, also after a restart', async () => {
    const { server, version, path, source } = await registry()
    await source.open('delay@1')
    version.files.set('model.onnx', new TextEncoder().encode('changed'))
    await rm(join(path, 'blobs'), { recursive: true })
    expect(await failure(source.open('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect(await failure(sourceOf(server, path).open('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it('refuses a version that was made again under its number', async () => {
    const { server, version, path, source } = await registry()
    await source.resolve('delay@1')
    version.created += 1
    for (const other of [source, sourceOf(server, path)]) expect(await failure(other.resolve('delay@champion'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it('holds a version against the digest in its tag, also the first time', async () => {
    const { server, version, path, source } = await registry()
    version.tags['outrigger.digest'] = (await source.resolve('delay@1')).digest
    expect((await sourceOf(server, await temporaryFolder()).resolve('delay@1')).version).toBe(1)
    version.files.set('conda.yaml', new TextEncoder().encode('a: c\n'))
    expect(await failure(sourceOf(server, await temporaryFolder()).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    version.tags['outrigger.digest'] = 'a'.repeat(64)
    expect(await failure(sourceOf(server, path).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it('passes signatures in a tag to the trust policy', async () => {
    const { version, source } = await registry()
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const { manifest } = await source.resolve('delay@1')
    version.tags['outrigger.signatures'] = JSON.stringify([signManifest(manifest, privateKey)])
    const policy = trustPolicy({ require: 'signature', keys: [publicKey] })
    const found = await source.resolve('delay@1')
    expect(found.signatures).toHaveLength(1)
    expect(() => checkTrust(found, policy)).not.toThrow()
    for (const none of ['no JSON', '{}', '[null]', '[]', '[{"keyId":1}]']) {
      version.tags['outrigger.signatures'] = none
      expect((await source.resolve('delay@1')).signatures).toBeUndefined()
    }
  })

  it('a damaged pin is as none, and a cache that cannot be used costs the memory over restarts only', async () => {
    const { server, path, source } = await registry()
    const { digest } = await source.resolve('delay@1')
    for (const note of await readdir(join(path, 'notes'))) await writeFile(join(path, 'notes', note), '{"manifest":1}')
    expect((await sourceOf(server, path).resolve('delay@1')).digest).toBe(digest)
    const file = join(path, 'file')
    await writeFile(file, '')
    const uncached = sourceOf(server, file)
    const notices: string[] = []
    uncached.observe((event) => { if (event.type === 'notice') notices.push(event.message) })
    expect((await uncached.open('delay@champion')).digest).toBe(digest)
    expect(notices.length).toBeGreaterThan(0)
  })
})

describe('mlflowSource and flavors', () => {
  it.each<[string, Record<string, string>, string]>([
    ['onnx beside others', { MLmodel: mlModelText(['python_function', 'onnx']), 'model.onnx': 'w' }, 'onnx'],
    ['a flavor of our own', { MLmodel: mlModelText(['tfjs']), 'model.json': '{}' }, 'tfjs'],
    ['files of tfjs without an MLmodel', { 'model.json': '{}', 'weights.bin': 'w' }, 'tfjs'],
    ['an ONNX file without an MLmodel', { 'model.onnx': 'w' }, 'onnx'],
  ])('%s: it knows the engine', async (_, files, engine) => {
    const { server, source } = await registry()
    server.register('other', files)
    expect((await source.resolve('other@1')).manifest.engine).toBe(engine)
  })

  it.each<[string, Record<string, string>]>([
    ['pickles', { MLmodel: mlModelText(['sklearn', 'python_function']), 'model.pkl': 'w', 'model.json': '{}' }],
    ['files of nothing known', { 'weights.bin': 'w' }],
    ['no files', {}],
  ])('%s: it refuses them before it fetches them', async (_, files) => {
    const { server, source } = await registry()
    server.register('other', files)
    expect(await failure(source.resolve('other@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_UNKNOWN' })
    expect(artifactsAsked(server).filter((path) => path !== 'MLmodel')).toEqual([])
  })

  it('takes other engines by name', async () => {
    const { server, path } = await registry()
    server.register('trees', { MLmodel: mlModelText(['python_function', 'lightgbm', 'onnx']), 'model.lgb': 'w' })
    expect((await sourceOf(server, path, { engines: { lightgbm: 'trees', onnx: 'onnx' } }).resolve('trees@1')).manifest.engine).toBe('trees')
  })

  it('refuses an MLmodel that is none', async () => {
    const { server, source } = await registry()
    for (const text of ['no mapping', 'flavors: onnx', 'flavors:\n  - onnx', "a: 'never ends", 'a: 1\n  b: 2']) {
      const version = server.register('other', { MLmodel: text, 'model.onnx': 'w' })
      expect(await failure(source.resolve(`other@${version}`)), text).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    }
  })
})

describe('mlflowSource and failures', () => {
  it('starts without its registry on what it saw last', async () => {
    const { server, path, source } = await registry()
    const before = await source.open('delay@champion')
    await server.stop()
    const states: string[] = []
    const restarted = sourceOf(server, path)
    restarted.observe((event) => { if (event.type === 'state') states.push(event.to) })
    const after = await restarted.open('models:/delay@champion')
    expect([after.digest, after.files.text('model.onnx')]).toEqual([before.digest, 'weights'])
    expect(await failure(restarted.resolve('delay@latest'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    await server.start()
    await restarted.resolve('delay@latest')
    expect(states).toEqual(['offline', 'online'])
  })

  it.each([[401, false], [403, false], [500, true], [429, true]])('takes status %i of the registry for a failure', async (status, retryable) => {
    const { server, source } = await registry()
    server.spoil = (_, response) => (response.writeHead(status).end('{"error_code":"X","message":"y"}'), true)
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', status, retryable })
  })

  it('tells a wrong request from an alias that is not there', async () => {
    const { server, source } = await registry()
    expect(await failure(source.resolve('delay@nobody'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
    server.spoil = (_, response) => (response.writeHead(400).end('{"error_code":"INVALID_PARAMETER_VALUE","message":"Missing value"}'), true)
    expect(await failure(source.resolve('delay@nobody'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: false, status: 400 })
    server.spoil = (_, response) => (response.end('<html>'), true)
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    server.spoil = (_, response) => (response.end('{"model_version":{"name":"other","version":"1","creation_timestamp":1}}'), true)
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: false })
  })

  it('waits for a version that is being registered, and not for one that failed', async () => {
    const { version, source } = await registry()
    version.status = 'PENDING_REGISTRATION'
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    version.status = 'FAILED_REGISTRATION'
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: false })
  })

  it.each(['s3://bucket/models/1', 'mlflow-artifacts://other.example/1/artifacts', 'file:///etc', '', 'mlflow-artifacts:/', 'http://127.0.0.1/x'])('fetches nothing from %j', async (uri) => {
    const { server, version, source } = await registry()
    version.uri = uri
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: false })
    expect(artifactsAsked(server)).toEqual([])
  })

  it.each(['../../etc/passwd', '..', '/etc/passwd', 'a\\b', 'C:x', '', 7])('refuses the file name %j', async (name) => {
    const { server, source } = await registry()
    server.spoil = (request, response) => {
      if (request.url?.includes('mlflow-artifacts/artifacts?') !== true) return false
      response.end(JSON.stringify({ files: [{ path: name, is_dir: false, file_size: 1 }] }))
      return true
    }
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it('refuses folders without end, and more than its limits, before it downloads', async () => {
    const { server, path, source } = await registry()
    server.register('big', { ...onnxFiles('x'.repeat(5_000)) })
    expect(await failure(sourceOf(server, path, { limits: { maxVersionBytes: 4_000 } }).resolve('big@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_TOO_LARGE' })
    expect(artifactsAsked(server)).toEqual([])
    server.spoil = (request, response) => {
      if (request.url?.includes('mlflow-artifacts/artifacts?') !== true) return false
      response.end(JSON.stringify({ files: [{ path: 'deeper', is_dir: true }] }))
      return true
    }
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_TOO_LARGE' })
  })

  it('finds a digest that it has seen, also after a restart, and no other', async () => {
    const { server, path, source } = await registry()
    const { digest } = await source.resolve('delay@1')
    const restarted = sourceOf(server, path)
    for (const reference of [digest, `delay@${digest}`, `delay@sha256:${digest}`]) expect((await restarted.resolve(reference)).version).toBe(1)
    for (const reference of ['b'.repeat(64), `other@${digest}`]) expect(await failure(restarted.resolve(reference))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
  })

  it('leaves no half of a version where the caller leaves', async () => {
    const { server, path, source } = await registry()
    const leaving = new AbortController()
    server.spoil = (request, response) => {
      if (request.url?.endsWith('/model.onnx') !== true) return false
      response.write('w')
      leaving.abort()
      return true
    }
    expect(await failure(source.resolve('delay@1', leaving))).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect((await readdir(join(path, 'notes')).catch(() => [])).filter((note) => note.includes('pin-'))).toEqual([])
    server.spoil = () => false
    expect((await source.open('delay@1')).files.text('model.onnx')).toBe('weights')
  })
})

describe('mlflowSource options', () => {
  it.each([[{}], [{ url: 'http://x' }], [{ url: 'http://x', cache: {} }], [{ url: 'http://x', cache: { path: 'a' }, engines: {} }], [{ url: 'http://x', cache: { path: 'a' }, engines: { onnx: 1 } }], [{ url: 'http://x', cache: { path: 'a' }, token: 'x' }], [undefined]])('refuses %j', (options) => {
    expect(() => mlflowSource(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
