/** The rivals' versions, and where they run. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SubjectName } from './kit.js'

/** A library at one version. */
export interface Library {
  /** How the page calls it. */
  readonly label: string
  readonly subject: SubjectName
  /** `<package>=<alias>` where it is installed under another name. */
  readonly aliases: readonly string[]
  readonly version: string
  /** The Node that runs it. */
  readonly node: { readonly path: string; readonly version: string }
}

const modules = fileURLToPath(new URL('node_modules', import.meta.url))

const manifestOf = (folder: string): { readonly version: string; readonly engines?: { readonly node?: string } } => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }

const here = { path: process.execPath, version: process.versions.node }

/** A newer Node for those that want it, fetched by npx when there is none; this one if that fails. */
const newerNode = (): Library['node'] => {
  if (Number(process.versions.node.split('.')[0]) >= 22) return here
  try {
    const [path = '', version = ''] = execFileSync('npx', ['-y', '-p', 'node@22', 'node', '-p', '`${process.execPath} ${process.versions.node}`'], { encoding: 'utf8', timeout: 180_000 }).trim().split(' ')
    return { path, version }
  } catch {
    return here
  }
}

export const librariesInstalled = (): readonly Library[] => {
  if (!existsSync(join(modules, 'cockatiel'))) throw new Error('Cannot run the zoo as the rivals are not installed: npm --prefix test/zoo ci')
  const newer = newerNode()
  const own = manifestOf(fileURLToPath(new URL('../..', import.meta.url)))
  const library = (subject: SubjectName, alias: string = subject, label: string = subject, node = here): Library => ({ label, subject, aliases: alias === subject ? [] : [`${subject}=${alias}`], version: manifestOf(join(modules, alias)).version, node })
  return [
    { label: 'outrigger', subject: 'outrigger', aliases: [], version: own.version, node: here },
    library('cockatiel', 'cockatiel', 'cockatiel 3'),
    library('cockatiel', 'cockatiel-4', 'cockatiel 4', newer),
    library('opossum', 'opossum'),
    library('p-retry'),
    library('p-timeout'),
    library('p-limit'),
    library('bottleneck'),
    library('lru-cache'),
    library('cacheable'),
    library('async-cache-dedupe'),
    library('dataloader'),
  ]
}

/** Whether two packages have the same code in a folder, byte for byte. */
export const hasSameCode = (one: string, other: string, folder: string): boolean => {
  const files = (name: string): readonly string[] => readdirSync(join(modules, name, folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(join(modules, name).length)).sort()
  const [left, right] = [files(one), files(other)]
  return left.join() === right.join() && left.every((file) => readFileSync(join(modules, one, file)).equals(readFileSync(join(modules, other, file))))
}

export const versionOf = (alias: string): string => manifestOf(join(modules, alias)).version
