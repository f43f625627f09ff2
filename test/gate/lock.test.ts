import { expect, test } from 'vitest'
import { missingEntries } from './lock.js'

test('missingEntries finds the platform packages that have no entry, with the machine each is for', () => {
  const packages = {
    'node_modules/oxlint': { version: '1.0.0', dev: true, optionalDependencies: { '@oxlint/binding-linux-x64-gnu': '1.0.0', '@oxlint/binding-darwin-arm64': '1.0.0', '@oxlint/binding-linux-arm64-musl': '1.0.0', 'not-for-a-platform': '1.0.0' } },
    'node_modules/@oxlint/binding-linux-x64-gnu': { version: '1.0.0', dev: true, optional: true },
  }
  expect(missingEntries({ packages })).toEqual({
    'node_modules/@oxlint/binding-darwin-arm64': { version: '1.0.0', dev: true, optional: true, os: ['darwin'], cpu: ['arm64'] },
    'node_modules/@oxlint/binding-linux-arm64-musl': { version: '1.0.0', dev: true, optional: true, os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
  })
  expect(missingEntries({ packages: { ...packages, ...missingEntries({ packages }) } })).toEqual({})
})

test('missingEntries puts a second version beside the package that wants it', () => {
  const packages = {
    'node_modules/esbuild': { version: '1.0.0', optionalDependencies: { '@esbuild/win32-x64': '1.0.0' } },
    'node_modules/@esbuild/win32-x64': { version: '1.0.0' },
    'node_modules/tsx': { version: '1.0.0' },
    'node_modules/tsx/node_modules/esbuild': { version: '2.0.0', optionalDependencies: { '@esbuild/win32-x64': '2.0.0' } },
  }
  expect(Object.keys(missingEntries({ packages }))).toEqual(['node_modules/tsx/node_modules/esbuild/node_modules/@esbuild/win32-x64'])
})
