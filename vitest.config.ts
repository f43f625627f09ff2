import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const src = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

const simulations = 'test/**/*.simulation.test.ts'

export default defineConfig({
  resolve: {
    alias: [
      { find: /^outrigger$/, replacement: src('index.ts') },
      { find: /^outrigger\/(.+)$/, replacement: src('$1/index.ts') },
    ],
  },
  test: {
    // Many tests wait for servers and processes of their own more than they compute.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['**/node_modules/**', 'test/consumer/**', 'test/bench/**', simulations] } },
      // What computes for tens of seconds, as its claim is one about thousands of cases.
      { extends: true, test: { name: 'simulations', include: [simulations], testTimeout: 60_000 } },
    ],
  },
})
