/**
 * What a place must be able to do to hold a store of models: a directory, memory, an object store.
 *
 * A file has a key, its path with `/` between the parts (`models/delay/aliases/champion/7.json`). Files never change:
 * they are made, read and removed. Whatever a store decides, it decides by {@link ModelDepot.create}, of which one of
 * several racers gets the name; nothing needs a rename, a link or a lock.
 */

/** What the bytes of a file must be. */
export interface BlobId {
  /** 64 hexadecimal digits. */
  readonly sha256: string
  readonly bytes: number
}

/** A file in a listing. */
export interface DepotEntry {
  readonly key: string
  readonly bytes: number
  /** When it was written, in milliseconds since 1970 by the clock of the medium. */
  readonly modifiedMs: number
}

/** A file while it is read, from its beginning to its end. */
export interface DepotReader {
  /** Its size, known before anything is read. */
  readonly bytes: number
  /** Fills the front of `into` with what comes next and says how many bytes that were; 0 at the end. */
  read(into: Uint8Array): Promise<number>
}

/** How {@link ModelDepot.create} writes. */
export interface CreateOptions {
  /** Whether it must survive a power cut. A sign that only the living read need not. @default true */
  readonly durable?: boolean
}

/**
 * A place that holds a store of models. `modelStore({ depot })` is a store on it.
 *
 * What a caller sees is what was written before, by whomever (strong consistency). A failure of the medium is thrown
 * as it is.
 */
export interface ModelDepot {
  /** The names right below a prefix that ends with `/`, files and folders alike, without that prefix and without a `/` at the end; in any order, none if there is nothing. */
  names(prefix: string): Promise<string[]>
  /** All files below a prefix that ends with `/` (or is empty: all there are), at any depth, in any order. Leftovers of interrupted writes are not among them. */
  list(prefix: string): AsyncIterable<DepotEntry>
  /**
   * Calls `use` with the file, and closes it when that has settled, however much was read. `undefined` if there is no
   * such file.
   */
  read<T>(key: string, use: (reader: DepotReader) => Promise<T>): Promise<T | undefined>
  /**
   * Makes a small file, whole or not at all, if there is none of that name: `false` if there is. Of several racers
   * exactly one gets `true`. After a crash it is never there without every blob that was written before it.
   */
  create(key: string, bytes: Uint8Array, options?: CreateOptions): Promise<boolean>
  /**
   * Sees to it that a blob is there, whole and right. If it is there already and known to be intact, `chunks` is not
   * read; one that is damaged is replaced. Each chunk is the receiver's own, of any size but empty.
   *
   * @throws `ERR_OUTRIGGER_MODEL_CORRUPT`, and writes nothing, if the chunks are not what `blob` says
   */
  writeBlob(key: string, blob: BlobId, chunks: AsyncIterable<Uint8Array>): Promise<void>
  /**
   * Sees to it that a file that is there survives a power cut: who made it may not have come to that yet. To be done before
   * something durable refers to it. Left out by a medium that keeps whatever it shows.
   */
  settle?(key: string): Promise<void>
  /** Removes a file; nothing to do if there is none. */
  remove(key: string): Promise<void>
  /**
   * Finds what interrupted writes have left behind and nobody has touched since `beforeMs` (temporary files, unfinished
   * uploads), and removes it unless `dryRun`. Left out by a medium that knows no such things.
   */
  sweep?(beforeMs: number, dryRun: boolean): Promise<DepotEntry[]>
}
