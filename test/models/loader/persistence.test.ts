import { describe, expect, it } from 'vitest'
import { OutriggerError, type ErrorCode } from '../../../src/core/errors.js'
import { BatchPredictionError } from '../../../src/core/results.js'
import { isTransient, persistenceOf, type Persistence } from '../../../src/models/loader/persistence.js'
import type { RefusalStage } from '../../../src/models/loader/refusal.js'

const coded = (code: ErrorCode, cause?: unknown): Error => new OutriggerError(code, 'Cannot', cause === undefined ? {} : { cause })
const system = (code: string): Error => Object.assign(new Error(code), { code })
const endless = new Error('endless')
endless.cause = endless

describe('persistenceOf', () => {
  it.each<[string, unknown, Persistence, RefusalStage?]>([
    ['a source that cannot be reached', coded('ERR_OUTRIGGER_SOURCE_FAILED'), 'transient'],
    ['a store that fails', coded('ERR_OUTRIGGER_STORE_FAILED'), 'transient'],
    ['a step that takes too long', coded('ERR_OUTRIGGER_TIMEOUT'), 'transient'],
    ['a shared memory budget that is full', coded('ERR_OUTRIGGER_MEMORY_BUDGET'), 'transient'],
    ['a remote model that is too busy to be warmed up', coded('ERR_OUTRIGGER_RATE_LIMITED'), 'transient'],
    ['too many open files', system('EMFILE'), 'transient'],
    ['no memory', system('ENOMEM'), 'transient'],
    ['a full disk, where a source keeps what it fetches', system('ENOSPC'), 'transient'],
    ['a connection refused', system('ECONNREFUSED'), 'transient'],
    ['what fetch throws', new TypeError('fetch failed', { cause: system('UND_ERR_SOCKET') }), 'transient'],
    ['what AbortSignal.timeout throws', new DOMException('The operation was aborted due to timeout', 'TimeoutError'), 'transient'],
    ['no memory for an array', new RangeError('Array buffer allocation failed'), 'transient'],
    ['an engine that failed for memory', coded('ERR_OUTRIGGER_ENGINE_FAILED', system('ENOMEM')), 'transient'],
    ['a batch of which a row failed so', new BatchPredictionError([{ ok: false, error: coded('ERR_OUTRIGGER_SOURCE_FAILED') }]), 'transient'],
    ['a file that cannot be read now', coded('ERR_OUTRIGGER_MODEL_CORRUPT', system('EIO')), 'transient', 'open'],
    ['an engine that crashed', coded('ERR_OUTRIGGER_ENGINE_CRASHED'), 'doubtful'],
    ['an engine that crashed, with the system\'s reason', coded('ERR_OUTRIGGER_ENGINE_CRASHED', system('EPIPE')), 'doubtful'],
    ['a hash that does not match while reading', coded('ERR_OUTRIGGER_MODEL_CORRUPT'), 'doubtful', 'open'],
    ['a file that is no JSON, though its hash is right', coded('ERR_OUTRIGGER_MODEL_CORRUPT'), 'permanent', 'load'],
    ['no trusted signature', coded('ERR_OUTRIGGER_MODEL_UNTRUSTED', system('EMFILE')), 'permanent'],
    ['too large', coded('ERR_OUTRIGGER_MODEL_TOO_LARGE'), 'permanent'],
    ['an unknown engine', coded('ERR_OUTRIGGER_ENGINE_UNKNOWN'), 'permanent'],
    ['a missing package', coded('ERR_OUTRIGGER_PEER_MISSING', system('ERR_MODULE_NOT_FOUND')), 'permanent'],
    ['an engine that refuses the files', coded('ERR_OUTRIGGER_ENGINE_FAILED', new Error('protobuf parsing failed')), 'permanent'],
    ['rows that do not fit the signature', coded('ERR_OUTRIGGER_INVALID_INPUT'), 'permanent'],
    ['a file that is not there', system('ENOENT'), 'permanent'],
    ['a right that is missing', system('EACCES'), 'permanent'],
    ['a plain error', new Error('broken'), 'permanent'],
    ['another RangeError', new RangeError('offset is out of bounds'), 'permanent'],
    ['nothing', undefined, 'permanent'],
    ['a text', 'broken', 'permanent'],
    ['a cause that is its own', endless, 'permanent'],
  ])('%s', (_, error, expected, stage) => {
    expect(persistenceOf(error, stage)).toBe(expected)
    if (stage === undefined) expect(isTransient(error)).toBe(expected === 'transient')
  })
})
