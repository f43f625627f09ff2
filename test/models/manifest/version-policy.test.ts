import { describe, expect, it } from 'vitest'
import { selectVersions, type VersionPolicy } from '../../../src/models/manifest/version-policy.js'

describe('selectVersions', () => {
  it.each<[VersionPolicy, number[]]>([
    ['all', [1, 2, 3, 5, 8]],
    [{ latest: 1 }, [8]],
    [{ latest: 3 }, [3, 5, 8]],
    [{ latest: 99 }, [1, 2, 3, 5, 8]],
    [{ specific: [] }, []],
    [{ specific: [8, 4, 1] }, [1, 8]],
    [{ from: 2, to: 5 }, [2, 3, 5]],
    [{ from: 6 }, [8]],
    [{ to: 2 }, [1, 2]],
    [{ from: 5, to: 2 }, []],
  ])('%j of 5, 1, 8, 2, 3 gives %j', (policy, expected) => {
    const versions = [5, 1, 8, 2, 3]
    expect(selectVersions(policy, versions)).toEqual(expected)
    expect(versions).toEqual([5, 1, 8, 2, 3])
  })

  it.each([[undefined], [null], ['latest'], [{}], [{ latest: 0 }], [{ latest: 1.5 }], [{ specific: 1 }], [{ specific: [0] }], [{ from: 0 }], [{ from: 1, latest: 1 }], [{ latest: 1, specific: [1] }], [{ to: 'x' }], [[1]], [{ latest: 1, more: 1 }]])('refuses %j', (policy) => {
    expect(() => selectVersions(policy as never, [1])).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
