import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { httpSource, memoryDepot, mlflowSource, modelStore, s3Depot, writeIndexes, type ModelDepot, type ModelStore } from 'outrigger/models'
import { modelSourceConformance, type ModelSourceKit } from 'outrigger/testing'
import { startS3 } from '../../_servers/s3.js'
import { temporaryFolder } from '../temporary.js'
import { mlModelText, startMlflow } from './_mlflow-server.js'
import { hastyClock, startModelServer } from './_model-server.js'
import { startStaticServer } from './_static-server.js'

const inStore = (store: ModelStore): Pick<ModelSourceKit, 'publish' | 'setAlias'> => ({
  publish: async (model) => (await store.publish({ ...model, engine: 'function' })).version,
  setAlias: (name, alias, version) => store.setAlias(name, alias, version),
})

const blobOf = async (store: ModelStore, { name, version, path }: { readonly name: string; readonly version: number; readonly path: string }): Promise<string> => {
  const { manifest } = await store.resolve(`${name}@${version}`)
  return `blobs/sha256-${manifest.files.find((file) => file.path === path)?.sha256}`
}

const onDisk = (store: ModelStore, root: string): Pick<ModelSourceKit, 'damage'> => ({
  damage: async (file, change) => {
    const blob = join(root, await blobOf(store, file))
    const bytes = change(await readFile(blob).catch(() => new Uint8Array()))
    await (bytes === undefined ? rm(blob) : writeFile(blob, bytes))
  },
})

/** Memory that can be damaged. */
const spoiled = (depot: ModelDepot): { readonly depot: ModelDepot; readonly spoil: (key: string, change: (bytes: Uint8Array) => Uint8Array | undefined) => void } => {
  const changes = new Map<string, (bytes: Uint8Array) => Uint8Array | undefined>()
  const read: ModelDepot['read'] = async (key, use) => await depot.read(key, async (reader) => {
    const change = changes.get(key)
    if (change === undefined) return await use(reader)
    const bytes = new Uint8Array(reader.bytes)
    await reader.read(bytes)
    const changed = change(bytes)
    if (changed === undefined) return undefined as never
    let position = 0
    return await use({
      bytes: changed.length,
      read: async (into) => {
        const piece = changed.subarray(position, position + into.length)
        into.set(piece)
        position += piece.length
        return piece.length
      },
    })
  })
  const methods = { names: depot.names.bind(depot), list: depot.list.bind(depot), create: depot.create.bind(depot), writeBlob: depot.writeBlob.bind(depot), remove: depot.remove.bind(depot) }
  return { depot: { ...methods, read }, spoil: (key, change) => changes.set(key, change) }
}

const inMemory = (): { readonly store: ModelStore } & Pick<ModelSourceKit, 'publish' | 'setAlias' | 'damage'> => {
  const { depot, spoil } = spoiled(memoryDepot())
  const store = modelStore({ depot })
  return { store, ...inStore(store), damage: async (file, change) => spoil(await blobOf(store, file), change) }
}

const kits: Readonly<Record<string, () => Promise<ModelSourceKit>>> = {
  'a directory': async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    return { source: store, ...inStore(store), ...onDisk(store, path) }
  },
  memory: async () => {
    const { store, ...kit } = inMemory()
    return { source: store, ...kit }
  },
  'S3 (s3rver)': async () => {
    const server = await startS3()
    const client = server.client()
    const store = modelStore({ depot: s3Depot({ client, bucket: server.bucket, prefix: 'store', singleWriter: true }) })
    return {
      source: store,
      ...inStore(store),
      damage: async (file, change) => {
        const at = { Bucket: server.bucket, Key: `store/${await blobOf(store, file)}` }
        const bytes = change(await (await client.getObject(at)).Body?.transformToByteArray() ?? new Uint8Array())
        await (bytes === undefined ? client.deleteObject(at) : client.putObject({ ...at, Body: bytes }))
      },
      close: () => server.stop(),
    }
  },
  'HTTP over storeHandler': async () => {
    const { store, ...kit } = inMemory()
    const server = await startModelServer(store)
    return { source: httpSource({ url: server.url, clock: hastyClock }), ...kit, close: () => server.stop() }
  },
  'HTTP over static files': async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    const server = await startStaticServer(path)
    const indexed = async <T>(work: Promise<T>): Promise<T> => {
      const result = await work
      await writeIndexes(store, path)
      return result
    }
    const { publish, setAlias } = inStore(store)
    return {
      source: httpSource({ url: server.url, clock: hastyClock }),
      publish: (model) => indexed(publish(model)),
      setAlias: (name, alias, version) => indexed(setAlias(name, alias, version)),
      ...onDisk(store, path),
      close: () => server.stop(),
    }
  },
  MLflow: async () => {
    const server = await startMlflow()
    const path = await temporaryFolder()
    return {
      source: mlflowSource({ url: server.url, cache: { path }, clock: hastyClock }),
      publish: async ({ name, files, signature }) => server.register(name, { ...files, MLmodel: mlModelText(['onnx'], signature) }),
      setAlias: async (name, alias, version) => Object.assign(server.models.get(name)?.aliases ?? {}, { [alias]: version }),
      // The cache holds what was seen first: a version is fetched again where that is lost.
      damage: async ({ name, version, path: file }, change) => {
        const artifacts = server.models.get(name)?.versions.get(version)?.files ?? new Map<string, Uint8Array>()
        const bytes = change(artifacts.get(file) ?? new Uint8Array())
        if (bytes === undefined) artifacts.delete(file)
        else artifacts.set(file, bytes)
        await rm(join(path, 'blobs'), { recursive: true, force: true })
      },
      close: () => server.stop(),
    }
  },
}

for (const [kind, make] of Object.entries(kits)) {
  describe(`a source of models: ${kind}`, () => {
    for (const { name, run } of modelSourceConformance(make)) it(name, run)
  })
}
