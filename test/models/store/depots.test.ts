import { describe, it } from 'vitest'
import { modelDepotConformance } from '../../../src/testing/model-depot-conformance.js'
import { DirectoryDepot } from '../../../src/models/store/_directory-depot.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { nodeFileSystem } from '../../../src/store/file-system.js'
import { temporaryFolder } from '../temporary.js'

describe('the depot in a directory', () => {
  const checks = modelDepotConformance(async () => {
    const path = await temporaryFolder()
    return () => new DirectoryDepot(path, nodeFileSystem)
  })
  for (const { name, run } of checks) it(name, run)
})

describe('memoryDepot', () => {
  const checks = modelDepotConformance(() => {
    const depot = memoryDepot()
    return () => depot
  })
  for (const { name, run } of checks) it(name, run)
})
