/**
 * Holds `package-lock.json` complete: every optional platform package that an entry names (`@oxlint/binding-darwin-arm64`)
 * has an entry of its own. npm leaves one out when the registry at hand does not serve it, or when node_modules was
 * there first (npm/cli#4828), and then `npm ci` refuses the lock. `npm run lock` adds what is missing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** A lock file, as far as this looks at it. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>
}

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']

/** Which machine a platform package is for, as its name says. */
const platformOf = (name: string): { readonly cpu: readonly string[]; readonly libc?: readonly string[]; readonly os: readonly string[] } | undefined => {
  const words = name.split(/[-/]/)
  const os = systems.find((system) => words.includes(system))
  const cpu = processors.find((processor) => words.includes(processor))
  if (os === undefined || cpu === undefined) return undefined
  const libc = words.includes('musl') ? 'musl' : words.includes('gnu') ? 'glibc' : undefined
  return { cpu: [cpu], ...(libc === undefined || os !== 'linux' ? {} : { libc: [libc] }), os: [os] }
}

/** Where Node looks for a package, from the inside out. */
const placesSeenFrom = (place: string, name: string): string[] => {
  const parents = place.split('/node_modules/').map((_, depth, parts) => parts.slice(0, depth + 1).join('/node_modules/'))
  return [...parents.filter((parent) => parent !== '').map((parent) => `${parent}/node_modules/${name}`).reverse(), `node_modules/${name}`]
}

/** The entries that the lock lacks, by their place in node_modules. */
export const missingEntries = ({ packages }: Lock): Record<string, LockEntry> => {
  const missing: Record<string, LockEntry> = {}
  for (const [place, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const platform = platformOf(name)
      const isExact = /^\d+\.\d+\.\d+[\w.+-]*$/.test(version)
      if (platform === undefined || !isExact) continue
      const known = { ...packages, ...missing }
      if (placesSeenFrom(place, name).some((seen) => known[seen]?.version === version)) continue
      const hoisted = `node_modules/${name}`
      missing[hoisted in known ? `${place}/node_modules/${name}` : hoisted] = { version, cpu: platform.cpu, ...(dev === true ? { dev } : {}), ...(platform.libc === undefined ? {} : { libc: platform.libc }), optional: true, os: platform.os }
    }
  }
  return missing
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href && process.argv.includes('--write')) {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock
  const missing = missingEntries(lock)
  const root = Object.entries(lock.packages).filter(([place]) => place === '')
  const rest = Object.entries({ ...lock.packages, ...missing }).filter(([place]) => place !== '')
  rest.sort(([a], [b]) => a.localeCompare(b, 'en'))
  writeFileSync('package-lock.json', `${JSON.stringify({ ...lock, packages: Object.fromEntries([...root, ...rest]) }, null, 2)}\n`)
  console.log(`added ${Object.keys(missing).length} entries`)
}
