import { readdir, readFile, stat } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { modelDirectory } from '../../../src/models/store/model-directory.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import { filesBelow, temporaryFolder } from '../temporary.js'

const files = (content: Readonly<Record<string, string>>): ModelFiles => new ModelFiles('m@1', new Map(Object.entries(content).map(([path, text]) => [path, new TextEncoder().encode(text)])))

const before = process.env['TMPDIR']
let folder: string
beforeAll(async () => {
  folder = await temporaryFolder()
  process.env['TMPDIR'] = folder
})
afterAll(() => {
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
})

it('modelDirectory holds the files, is nobody else\'s to enter, and goes with remove', async () => {
  const directory = await modelDirectory(files({ 'saved_model.pb': 'graph', 'variables/variables.index': 'index' }))
  expect(await filesBelow(directory.path)).toEqual(['saved_model.pb', 'variables/variables.index'])
  expect(await readFile(`${directory.path}/variables/variables.index`, 'utf8')).toBe('index')
  expect((await stat(directory.path)).mode & 0o777).toBe(0o700)
  expect((await stat(`${directory.path}/saved_model.pb`)).mode & 0o777).toBe(0o600)
  await directory.remove()
  await directory.remove()
  expect(await readdir(folder)).toEqual([])
})

it('modelDirectory is a new one each time', async () => {
  const [one, other] = [await modelDirectory(files({ a: '1' })), await modelDirectory(files({ a: '2' }))]
  expect(one.path).not.toBe(other.path)
  await one.remove()
  expect(await readFile(`${other.path}/a`, 'utf8')).toBe('2')
  await other.remove()
})

it.each(['../out', '/etc/out', 'a/../../out', 'a\\b', ''])('modelDirectory refuses the path %j and leaves nothing', async (path) => {
  await expect(modelDirectory(files({ first: '1', [path]: '2' }))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  expect(await readdir(folder)).toEqual([])
})

it('modelDirectory leaves nothing where a file cannot be written', async () => {
  await expect(modelDirectory(files({ a: '1', 'a/b': '2' }))).rejects.toThrow()
  expect(await readdir(folder)).toEqual([])
})
