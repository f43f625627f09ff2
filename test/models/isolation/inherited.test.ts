import { expect, test } from 'vitest'
import { inheritedArguments, inheritedEnvironment } from '../../../src/models/isolation/_inherited.js'

test('a child takes over loaders and limits, and not the debugger, the watcher or the program text', () => {
  expect(inheritedArguments(['--import', 'tsx', '--inspect=9229', '--max-old-space-size=512', '--inspect-brk', '-r', './setup.cjs'])).toEqual(['--import', 'tsx', '--max-old-space-size=512', '-r', './setup.cjs'])
  expect(inheritedArguments(['-e', 'process.exit(1)', '--conditions', 'dev'])).toEqual(['--conditions', 'dev'])
  expect(inheritedArguments(['--input-type=module', '--eval', 'x', '--watch', '--watch-path', './src', '--test', '--cpu-prof', '--enable-source-maps'])).toEqual(['--enable-source-maps'])
  expect(inheritedArguments([])).toEqual([])
})

test('a child sees the environment, without a debugger in NODE_OPTIONS', () => {
  expect(inheritedEnvironment({ A: '1' })).toEqual({ A: '1' })
  expect(inheritedEnvironment({ NODE_OPTIONS: '--inspect=0 --no-warnings --inspect-brk=127.0.0.1:1' })).toEqual({ NODE_OPTIONS: '--no-warnings' })
})
