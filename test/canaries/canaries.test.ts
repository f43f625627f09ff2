import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { canaries, leaksIn, visible } from './canaries.js'
import { notSinks, registry, showsNothing, sinkName } from './registry.js'

const src = join(import.meta.dirname, '../../src')
const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory() && existsSync(join(src, entry.name, 'index.ts'))).map(({ name }) => name)
/** What an index names apart from types: it may do so in several ways, and is not loaded for it, which takes seconds. */
const exportsOf = (folder: string): string[] =>
  [...readFileSync(join(src, folder, 'index.ts'), 'utf8').matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names]) =>
    (names as string).split(',').map((name) => name.trim()).filter((name) => name !== '' && !name.startsWith('type ')).map((name) => `${folder}/${name.replace(/^.* as /, '')}`))

describe('the canaries', () => {
  it('are 500, all different', () => {
    const all = Object.values(canaries).flat()
    expect([all.length, new Set(all).size]).toEqual([500, 500])
  })

  it('are found as they are, in other cases and encodings, and by their plain hashes', () => {
    const canary = canaries['pii field'][7] as string
    const forms = [canary, canary.toUpperCase(), Buffer.from(canary).toString('hex'), Buffer.from(`user=${canary}&`).toString('base64'), Buffer.from(`a${canary}`).toString('base64url')]
    for (const form of forms) expect(leaksIn(`x${form}y`)).toEqual([`pii field: ${canary}`])
    expect(leaksIn('cnryNobody')).toEqual([])
  })
})

describe('every sink', () => {
  it('that is exported has an entry in test/canaries/registry.ts', () => {
    const names = folders.flatMap(exportsOf)
    const sinks = names.filter((name) => sinkName.test(name.slice(name.indexOf('/') + 1)))
    expect(sinks.filter((name) => !(name in registry) && !(name in notSinks)), 'Add each to `registry`, or to `notSinks` with the reason.').toEqual([])
    expect([...Object.keys(registry), ...Object.keys(notSinks), ...Object.keys(showsNothing)].filter((name) => !names.includes(name))).toEqual([])
    expect(sinks.length).toBeGreaterThanOrEqual(6)
  })

  it.each(Object.keys(registry))('%s lets no canary out', async (name) => {
    const text = await registry[name]?.()
    if (text === undefined) return
    expect(text).toContain(showsNothing[name]?.[0] ?? visible)
    expect(leaksIn(text)).toEqual([])
  }, 60_000)
})
