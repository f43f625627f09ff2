/** What every fence of the documentation may use without an import. */
import assert from 'node:assert/strict'

Object.assign(globalThis, { assert })
