import { expect, test } from 'vitest'
import { exportProblems, exportsFor } from './exports.js'

const built = (): boolean => true

test('exportProblems is content when exports, src and the built files agree', () => {
  expect(exportProblems(exportsFor(['core', 'testing']), ['core', 'testing'], built)).toEqual([])
})

test('exportProblems finds a folder that is not exported, one that is gone, and a changed target', () => {
  expect(exportProblems(exportsFor(['core']), ['core', 'drift'], built)).toEqual([expect.stringMatching(/lacks "\.\/drift"/)])
  expect(exportProblems(exportsFor(['core', 'drift']), ['core'], built)).toEqual([expect.stringMatching(/has "\.\/drift"/)])
  expect(exportProblems({ ...exportsFor(['core']), '.': './dist/index.js' }, ['core'], built)).toEqual([expect.stringMatching(/something else about "\."/)])
})

test('exportProblems finds a file that was not built', () => {
  const problems = exportProblems(exportsFor(['core']), ['core'], (path) => path !== './dist/types/core/index.d.ts')
  expect(problems).toEqual([expect.stringMatching(/dist\/types\/core\/index\.d\.ts, which the build did not make/)])
})
