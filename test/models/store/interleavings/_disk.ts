/**
 * A file system in memory that forgets in all the ways POSIX allows when the power goes.
 *
 * What was not flushed may be there, or not, or in part: of each file the writes since its last fsync, torn anywhere, or
 * only its new size; of each directory every name that was given, replaced or taken away since *its* last fsync, each
 * by itself, whatever the order. What a name led to before and after a rename are both possible; a name is never in between.
 */
import type { Random } from '../../../../src/core/random.js'
import { temporaryPrefix } from '../../../../src/store/atomic-file.js'

export class DiskFile {
  bytes: Uint8Array = new Uint8Array()
  modifiedMs = 0
  #durable: Uint8Array = this.bytes
  #writes: { readonly position: number; readonly chunk: Uint8Array }[] = []

  write(chunk: Uint8Array, position: number): void {
    this.bytes = overlay(this.bytes, chunk, position)
    this.#writes.push({ position, chunk })
  }

  sync(): void {
    this.#durable = this.bytes
    this.#writes = []
  }

  afterPowerCut(random: Random): DiskFile {
    const file = new DiskFile()
    file.modifiedMs = this.modifiedMs
    file.bytes = this.#durable
    if (this.#writes.length > 0) {
      const fate = random.integer(5)
      if (fate === 0) file.bytes = this.bytes
      else if (fate === 1) file.bytes = overlay(new Uint8Array(this.bytes.length), this.#durable, 0) // the size and not the data
      else if (fate > 2) {
        for (const { position, chunk } of this.#writes) {
          const from = random.integer(chunk.length + 1)
          const to = fate === 3 ? chunk.length : from + random.integer(chunk.length - from + 1)
          file.bytes = overlay(file.bytes, fate === 3 ? chunk.subarray(0, from) : chunk.subarray(from, to), fate === 3 ? position : position + from)
        }
      }
    }
    file.sync()
    return file
  }
}

const overlay = (bytes: Uint8Array, chunk: Uint8Array, position: number): Uint8Array => {
  const all = new Uint8Array(Math.max(bytes.length, position + chunk.length))
  all.set(bytes)
  all.set(chunk, position)
  return all
}

export type DiskNode = DiskFile | DiskFolder

export class DiskFolder {
  readonly entries = new Map<string, DiskNode>()
  modifiedMs = 0
  #durable = new Map<string, DiskNode>()
  /** What each name that changed since the last flush has stood for. */
  #changes = new Map<string, (DiskNode | undefined)[]>()

  set(name: string, node: DiskNode | undefined): void {
    if (node === undefined) this.entries.delete(name)
    else this.entries.set(name, node)
    const changes = this.#changes.get(name)
    if (changes === undefined) this.#changes.set(name, [node])
    else changes.push(node)
  }

  sync(): void {
    this.#durable = new Map(this.entries)
    this.#changes.clear()
  }

  afterPowerCut(random: Random, seen = new Map<DiskNode, DiskNode>()): DiskFolder {
    const folder = new DiskFolder()
    const keep = (name: string, node: DiskNode | undefined): void => {
      if (node === undefined) return
      let after = seen.get(node)
      if (after === undefined) {
        after = node instanceof DiskFile ? node.afterPowerCut(random) : node.afterPowerCut(random, seen)
        seen.set(node, after)
      }
      folder.set(name, after)
    }
    for (const [name, node] of this.#durable) if (!this.#changes.has(name)) keep(name, node)
    for (const [name, changes] of this.#changes) {
      const fate = random.integer(changes.length + 1)
      keep(name, fate === 0 ? this.#durable.get(name) : changes[fate - 1])
    }
    folder.sync()
    return folder
  }
}

const systemError = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code })

/** A disk, by absolute paths. Every call is one step that nothing comes in between of. */
export class Disk {
  readonly root: DiskFolder

  constructor(root: DiskFolder = new DiskFolder()) {
    this.root = root
  }

  afterPowerCut(random: Random): Disk {
    return new Disk(this.root.afterPowerCut(random))
  }

  find(path: string): DiskNode {
    let node: DiskNode | undefined = this.root
    for (let start = 1; start < path.length;) {
      const slash = path.indexOf('/', start)
      const end = slash < 0 ? path.length : slash
      if (!(node instanceof DiskFolder)) throw systemError(node === undefined ? 'ENOENT' : 'ENOTDIR', path)
      node = node.entries.get(path.slice(start, end))
      start = end + 1
    }
    if (node === undefined) throw systemError('ENOENT', path)
    return node
  }

  isFolder(path: string): boolean {
    try {
      return this.find(path) instanceof DiskFolder
    } catch {
      return false
    }
  }

  folder(path: string): DiskFolder {
    const node = this.find(path)
    if (node instanceof DiskFolder) return node
    throw systemError('ENOTDIR', path)
  }

  /** The folder of a path, and its last name. */
  #place(path: string): { readonly folder: DiskFolder; readonly name: string } {
    const slash = path.lastIndexOf('/')
    return { folder: this.folder(path.slice(0, slash)), name: path.slice(slash + 1) }
  }

  make(path: string, node: DiskNode, modifiedMs: number): void {
    const { folder, name } = this.#place(path)
    if (folder.entries.has(name)) throw systemError('EEXIST', path)
    node.modifiedMs = modifiedMs
    folder.set(name, node)
  }

  link(from: string, to: string): void {
    const node = this.find(from)
    const { folder, name } = this.#place(to)
    if (folder.entries.has(name)) throw systemError('EEXIST', to)
    folder.set(name, node)
  }

  rename(from: string, to: string): void {
    const node = this.find(from)
    const [source, target] = [this.#place(from), this.#place(to)]
    target.folder.set(target.name, node)
    source.folder.set(source.name, undefined)
  }

  unlink(path: string): void {
    if (this.find(path) instanceof DiskFolder) throw systemError('EISDIR', path)
    const { folder, name } = this.#place(path)
    folder.set(name, undefined)
  }

  /** Every file, without temporary ones. */
  files(path = ''): [string, Uint8Array][] {
    return [...this.folder(path).entries].flatMap(([name, node]): [string, Uint8Array][] =>
      node instanceof DiskFolder ? this.files(`${path}/${name}`) : name.startsWith(temporaryPrefix) ? [] : [[`${path}/${name}`, node.bytes]])
  }
}
