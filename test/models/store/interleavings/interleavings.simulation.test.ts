/**
 * By hand: `WORLDS=1000000 npx vitest run --project simulations interleavings` for longer, or `WORLD=17` for the one
 * that a failure names, with the stacks of its errors.
 */
import { describe, expect, it } from 'vitest'
import type { FileSystem, FileSystemHandle } from '../../../../src/store/file-system.js'
import type { WorldOptions } from './_seeded-world.js'
import { runWorld } from './_world.js'

const worlds = Number(process.env['WORLDS'] ?? 10_000)
const only = process.env['WORLD']

describe('the store in interleavings of publish, alias moves, partial copy, kill, power cut and poll', () => {
  if (only !== undefined) return it(`passes world ${only}`, async () => void await runWorld(only, { stacks: true }))

  it(`gives no bad load in ${worlds} of them, keeps what it promised, and goes on afterwards`, async () => {
    const sum: Record<string, number> = {}
    for (let world = 0; world < worlds; world += 1) {
      const { refusals, ...report } = await runWorld(String(world))
      for (const [key, count] of Object.entries({ ...report, ...refusals })) sum[key] = (sum[key] ?? 0) + count
    }
    // They were no idle ones: each of these happened, and often.
    const often = { steps: 100, publishes: 2, loads: 3, cuts: 0.3, kills: 0.1, ERR_OUTRIGGER_MODEL_NOT_FOUND: 1, ERR_OUTRIGGER_MODEL_EXISTS: 0.05, ERR_OUTRIGGER_MODEL_CORRUPT: 0.01, ERR_OUTRIGGER_ALIAS_CONFLICT: 0.01 }
    for (const [key, perWorld] of Object.entries(often)) expect([key, (sum[key] ?? 0) / worlds]).toEqual([key, expect.toSatisfy((found: number) => found >= perWorld)])
  }, 60_000 + worlds * 20)

  it('comes out the same for the same seed', async () => {
    expect(await runWorld('same')).toEqual(await runWorld('same'))
  })
})

/** The store on a file system that does not keep what it says. */
const broken: Readonly<Record<string, Required<Pick<WorldOptions, 'breakFileSystem'>>['breakFileSystem']>> = {
  'does not flush files': (fileSystem) => ({ ...fileSystem, open: async (path, flags) => withoutSync(await fileSystem.open(path, flags), flags === 'wx') }),
  'does not flush directories': (fileSystem) => ({ ...fileSystem, open: async (path, flags) => withoutSync(await fileSystem.open(path, flags), flags === 'r') }),
  'gives a name twice': (fileSystem) => ({ ...fileSystem, link: (from, to) => fileSystem.rename(from, to) }),
  'shows a file before its bytes are there': (fileSystem: FileSystem) => ({
    ...fileSystem,
    rename: async (from, to) => {
      const whole = await fileSystem.open(from, 'r')
      const bytes = new Uint8Array(10_000)
      const { bytesRead } = await whole.read(bytes, 0, bytes.length, 0)
      await fileSystem.unlink(from)
      const file = await fileSystem.open(to, 'wx')
      for (let done = 0; done < bytesRead;) done += (await file.write(bytes, done, bytesRead - done, done)).bytesWritten
    },
  }),
}
const withoutSync = (handle: FileSystemHandle, isBroken: boolean): FileSystemHandle => (isBroken ? { ...handle, sync: async () => {} } : handle)

describe('the worlds notice a file system that', () => {
  it.each(Object.keys(broken))('%s', async (how) => {
    const breakFileSystem = broken[how] as (fileSystem: FileSystem) => FileSystem
    let found: unknown
    for (let world = 0; world < 2000 && found === undefined; world += 1) await runWorld(String(world), { breakFileSystem }).catch((error: unknown) => { found = error })
    expect(String(found)).toMatch(/^Error: world "\d+": /)
  }, 60_000)
})
