/** Every bit, every truncation and every swap of what a source holds: of what is loaded, nothing is other than what was published. */
import { generateKeyPairSync } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkTrust, httpSource, memoryDepot, modelStore, s3Depot, signManifest, trustPolicy, writeIndexes, type ModelSource, type ModelStore } from 'outrigger/models'
import { bytesAt, keysOf, overwrite } from '../store/_store-kit.js'
import { memoryS3 } from '../store/_memory-s3.js'
import { temporaryFolder } from '../temporary.js'

/** The files behind a source, which can be changed. */
interface Place {
  /** Looks at the files as they are now: keeps nothing of what another one saw. */
  readonly source: () => ModelSource
  readonly files: ReadonlyMap<string, Uint8Array>
  /** `undefined`: the file is gone. */
  readonly put: (key: string, bytes: Uint8Array | undefined) => Promise<void> | void
}

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const policy = trustPolicy({ require: 'signature', keys: [publicKey] })

/** A version of less than 4 kB, signed and with an alias; every store holds the same. */
const publishInto = async (store: ModelStore): Promise<void> => {
  await store.publish({
    name: 'm', engine: 'function', files: { 'a.json': '[0.25,-1]', 'b.bin': new Uint8Array([0, 1, 254, 255]) },
    golden: [{ input: 1, output: 2 }], sign: (manifest) => signManifest(manifest, privateKey),
  })
  await store.setAlias('m', 'champion', 1)
}

const filesBelow = async (path: string): Promise<Map<string, Uint8Array>> => {
  const files = new Map<string, Uint8Array>()
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    if (entry.isFile()) files.set(file.slice(path.length + 1), await readFile(file))
  }
  return files
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  memory: async () => {
    const depot = memoryDepot()
    const store = modelStore({ depot })
    await publishInto(store)
    const files = new Map<string, Uint8Array>()
    for (const key of await keysOf(depot)) files.set(key, await bytesAt(depot, key))
    return { source: () => modelStore({ depot }), files, put: (key, bytes) => (bytes === undefined ? depot.remove(key) : overwrite(depot, key, bytes)) }
  },
  S3: async () => {
    const client = memoryS3(1000)
    const depot = s3Depot({ client, bucket: 'b', prefix: 'store' })
    await publishInto(modelStore({ depot }))
    const whole = new Map(client.objects)
    return {
      source: () => modelStore({ depot }),
      files: new Map([...whole].map(([key, { body }]) => [key, body])),
      put: (key, body) => {
        const object = whole.get(key)
        if (object === undefined || body === undefined) client.objects.delete(key)
        else client.objects.set(key, { ...object, body })
      },
    }
  },
  HTTP: async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    await publishInto(store)
    await writeIndexes(store, path)
    const served = await filesBelow(path)
    const asked = new Set<string>()
    const fetch = async (url: string): Promise<Response> => {
      const key = decodeURIComponent(new URL(url).pathname.slice(1))
      const bytes = served.get(key)
      asked.add(key)
      return bytes === undefined ? new Response(null, { status: 404 }) : new Response(new Uint8Array(bytes))
    }
    const source = (): ModelSource => httpSource({ url: 'http://models.test/', fetch, retries: 0 })
    await contentOf(source())
    return {
      source,
      files: new Map([...served].filter(([key]) => asked.has(key))), // the lines of a store are not read, its index is
      put: (key, bytes) => void (bytes === undefined ? served.delete(key) : served.set(key, bytes)),
    }
  },
}

/** What a version must be to be loaded: by its bytes, and by the signature over its manifest. */
const contentOf = async (source: ModelSource): Promise<string> => {
  const version = await source.resolve('m@champion')
  checkTrust(version, policy)
  const { files, digest, manifest } = await source.open(version)
  return JSON.stringify([digest, manifest, [...files.bytes('a.json')], [...files.bytes('b.bin')]])
}

/** The code of the refusal, or the content. */
const seen = async ({ source }: Place): Promise<string> => await contentOf(source()).catch((error: { readonly code?: string }) => error.code ?? String(error))

/** What a refusal may say; anything else is a fault of the source. */
const refusals = ['ERR_OUTRIGGER_MODEL_CORRUPT', 'ERR_OUTRIGGER_MODEL_NOT_FOUND', 'ERR_OUTRIGGER_MODEL_UNTRUSTED', 'ERR_OUTRIGGER_MODEL_TOO_LARGE', 'ERR_OUTRIGGER_SOURCE_FAILED']

describe.each(Object.entries(places))('damage over %s', (_, make) => {
  /** Tries one change; what the version and its files are made of may never pass, other things only without harm. */
  const tried = async (place: Place, key: string, bytes: Uint8Array | undefined, what: string, whole: string): Promise<'refused' | 'harmless'> => {
    await place.put(key, bytes)
    const found = await seen(place)
    await place.put(key, place.files.get(key))
    if (found === whole && !key.includes('blobs/')) return 'harmless'
    if (!refusals.includes(found)) expect(`${key} ${what}: ${found}`).toBe('refused')
    return 'refused'
  }

  it('every single bit of a small version', async () => {
    const place = await make()
    const whole = await seen(place)
    expect(whole).toContain('"b.bin"')
    let refused = 0
    const harmless = new Set<string>()
    let size = 0
    for (const [key, bytes] of place.files) {
      size += bytes.length
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flipped = Uint8Array.from(bytes)
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        const outcome = await tried(place, key, flipped, `bit ${bit}`, whole)
        if (outcome === 'refused') refused += 1
        else harmless.add(key)
      }
    }
    expect(size).toBeLessThan(4096)
    expect([refused > 5_000, [...harmless]]).toEqual([true, []])
    expect(await seen(place)).toBe(whole)
  }, 60_000)

  it('every truncation, a longer file and a missing one', async () => {
    const place = await make()
    const whole = await seen(place)
    for (const [key, bytes] of place.files) {
      for (let length = 0; length < bytes.length; length += 1) expect([key, length, await tried(place, key, bytes.subarray(0, length), `cut to ${length}`, whole)]).toEqual([key, length, 'refused'])
      expect(await tried(place, key, Buffer.concat([bytes, Buffer.from('0')]), 'longer', whole)).toBe('refused')
      expect(await tried(place, key, undefined, 'gone', whole)).toBe('refused')
    }
    expect(await seen(place)).toBe(whole)
  }, 60_000)

  it('every file in the place of every other', async () => {
    const place = await make()
    const whole = await seen(place)
    for (const key of place.files.keys()) {
      for (const [other, bytes] of place.files) if (other !== key) expect([key, other, await tried(place, key, bytes, `is ${other}`, whole)]).toEqual([key, other, 'refused'])
    }
    expect(await seen(place)).toBe(whole)
  })
})
