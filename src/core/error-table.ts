/** When each error is thrown, and what to do about it: the source of `docs/errors.md`. */
import type { ErrorCode } from './errors.js'

/** What a reader needs to know of an error. */
export interface ErrorHelp {
  /** When it is thrown. */
  readonly when: string
  /** What to do about it. */
  readonly fix: string
}

/** Code → help. */
export const errorTable: Readonly<Record<ErrorCode, ErrorHelp>> = {
  ERR_OUTRIGGER_INVALID_OPTION: {
    when: 'An option of a layer, a store or a call is missing, of the wrong type or out of its range. Thrown at construction.',
    fix: 'Correct the option that the message names. It is a mistake in the code, not in the data.',
  },
  ERR_OUTRIGGER_INVALID_INPUT: {
    when: 'An input does not fit what the model or a layer declares: a wrong shape, a value that cannot be keyed, a missing feature.',
    fix: 'Correct the input, or put a layer that repairs or rejects such rows in front.',
  },
  ERR_OUTRIGGER_UNFIT_INPUT: {
    when: 'A row broke a rule of `validated` whose action is `fallback`: it is nothing for the model, which was not called. `findings` says which rules.',
    fix: 'Put a `fallback` outside of `validated`; `when: [\'ERR_OUTRIGGER_UNFIT_INPUT\']` makes a rung answer for such rows only.',
  },
  ERR_OUTRIGGER_MODEL_FAILED: {
    when: 'The model threw or rejected with something that is not an `Error` (a string, `undefined`). The thing itself is in `cause`.',
    fix: 'Look at `cause`; let the model throw real errors.',
  },
  ERR_OUTRIGGER_ROW_COUNT: {
    when: '`predictBatch` (or a layer) gave back another number of rows than it was given, or something that is not an array.',
    fix: 'Return exactly one output per input, in the order of the inputs.',
  },
  ERR_OUTRIGGER_BATCH: {
    when: 'At least one row of a `batch` call failed. `results` holds the outcome of every row, also of those that did not fail.',
    fix: 'Read `results`, or call `detailedBatch`, which never rejects for a row.',
  },
  ERR_OUTRIGGER_ABORTED: {
    when: 'The caller aborted the call by its signal. The signal\'s reason is in `cause`.',
    fix: 'Nothing: the caller asked for it.',
  },
  ERR_OUTRIGGER_TIMEOUT: {
    when: 'A call took longer than its `timeout` layer or its `timeoutMs` allows. What it abandoned was aborted.',
    fix: 'Find out why the model is slow, raise the limit, or put a `fallback` around it.',
  },
  ERR_OUTRIGGER_CLOSED: {
    when: 'A call came after `close()`, or a queue was given up because of it.',
    fix: 'Close after the last call; create a new predictor to go on.',
  },
  ERR_OUTRIGGER_CLOSE_TIMEOUT: {
    when: 'Calls were still in flight when the deadline of `close()` or `shutdown()` passed. What is owned was closed all the same.',
    fix: 'Give a longer deadline, or put a `timeout` around the model.',
  },
  ERR_OUTRIGGER_CIRCUIT_OPEN: {
    when: 'The circuit breaker is open, isolated by hand, or half-open with no free probe, so that the model was not called. `retryAfterMs` says when the next probe is due.',
    fix: 'Put a `fallback` outside the breaker; look at why the model fails.',
  },
  ERR_OUTRIGGER_BULKHEAD_FULL: {
    when: 'As much runs as the bulkhead allows, and its queue is full. Or the call waited for `maxWaitMs`, gave its place to one of higher priority, or is larger than a whole limit; the message says which.',
    fix: 'Shed load, cut batches that are too large, raise the limits or `queue`, or put a `fallback` outside.',
  },
  ERR_OUTRIGGER_OVERLOADED: {
    when: 'The service is overloaded: an adaptive limit is reached, or load is shed and the call\'s priority is too low (`retryAfterMs` says when to come back). The model was not called.',
    fix: 'Back off and try later; give calls that matter a higher `priority`; put a `fallback` outside.',
  },
  ERR_OUTRIGGER_RATE_LIMITED: {
    when: 'The rate limit has no tokens left for this call. `retryAfterMs` says when it would have; it is `Infinity` for a call that costs more than the whole burst.',
    fix: 'Wait for `retryAfterMs`, raise the limit, or put a `fallback` outside.',
  },
  ERR_OUTRIGGER_QUEUE_FULL: {
    when: 'The queue of a micro-batching layer holds as many rows as it may, or the row gave its place to one of higher priority.',
    fix: 'Shed load, raise `maxQueue`, or put a `fallback` outside.',
  },
  ERR_OUTRIGGER_BAD_ANSWER: {
    when: 'The model answered, but a check of answers found the answer bad: NaN, a wrong shape, probabilities that do not sum to 1. Or the members of an ensemble gave answers that cannot be combined. `reason` says which.',
    fix: 'Look at the model and its version; put a `fallback` outside.',
  },
  ERR_OUTRIGGER_TOO_FEW_ANSWERS: {
    when: 'Fewer members of an ensemble answered than its `minimum`. `errors` holds those of the others.',
    fix: 'Look at the members that failed, lower `minimum`, or put a `fallback` outside.',
  },
  ERR_OUTRIGGER_FALLBACK_EXHAUSTED: {
    when: 'The model and every rung of its fallback failed. `errors` holds all of them in order; `cause` is the model\'s own.',
    fix: 'Let the last rung be something that cannot fail, such as a constant.',
  },
  ERR_OUTRIGGER_UNCACHEABLE: {
    when: 'An input cannot be turned into a key (a function, a promise, a cyclic object), or an output cannot be copied (a stream, a live tensor).',
    fix: 'Give `cached` a `key` function, or take the layer away.',
  },
  ERR_OUTRIGGER_STORE_FAILED: {
    when: 'A store could not be asked, took too long, or gave back something that is no entry. Layers count it and go on without the store; only `invalidate` and `clear` of a cache reject with it.',
    fix: 'Look at `cause` and at the store.',
  },
  ERR_OUTRIGGER_JOB: {
    when: 'A scoring job cannot start or go on: its checkpoint belongs to another input, output or model, another version went live meanwhile, more rows failed than it allows, or the input cannot be read.',
    fix: 'Do what the message says; a job never overwrites what it cannot resume.',
  },
  ERR_OUTRIGGER_UNROUTABLE: {
    when: 'A `split` has neither the call\'s `key` nor a `by` function that gives one, so that the call cannot stick to a variant.',
    fix: 'Pass `{ key }` with the call, or give `split` a `by` function.',
  },
  ERR_OUTRIGGER_PROFILE: {
    when: 'A drift profile cannot be read, is of another format version, was changed after it was saved, or does not fit the rows it is compared with. Or the state of a streaming detector, of a sketch or of a test of an experiment is of another kind or version, or was changed.',
    fix: 'Build the profile again from the training rows of the version that serves; start a detector or a sketch without the state.',
  },
  ERR_OUTRIGGER_TOO_FEW_ROWS: {
    when: 'A profile is to be built from fewer rows than its statistics need.',
    fix: 'Give more training rows.',
  },
  ERR_OUTRIGGER_ROLLOUT: {
    when: 'A rollout cannot do what was asked, or cannot go on: another one is under way, it cools down after a rollback, the candidate is in quarantine, nothing is under way that could be held or approved, the plan is another one than it started with, or its journal or ledger is damaged. `reason` says which.',
    fix: 'Read `status()` and its text. Wait, abort the other one, or start with `again: true` after the cause is mended.',
  },
  ERR_OUTRIGGER_MODEL_NOT_FOUND: {
    when: 'The store holds no such model, version, alias or digest, or the version was removed; or an alias has nothing to roll back to.',
    fix: 'Publish it first; `store.list()` says what is there, `store.audit()` who removed it.',
  },
  ERR_OUTRIGGER_MODEL_EXISTS: {
    when: 'A version of that number is already published, or was and is removed. Versions never change, and a number is used once.',
    fix: 'Publish under the next number.',
  },
  ERR_OUTRIGGER_MODEL_CORRUPT: {
    when: 'A manifest, a line of a log or an exported file cannot be read, or a file of a version is missing, of another size, or of another SHA-256 than the manifest says.',
    fix: 'Look at `store.verify()`; import the version again, which mends its files, or publish it as the next one; find out who changed the store.',
  },
  ERR_OUTRIGGER_MODEL_REFUSED: {
    when: 'A version did not pass the gate of the loader: it does not load, does not fit, its golden predictions differ, or it answers with NaN. The live version stays, and this one is in quarantine: it is not tried again by itself.',
    fix: 'Read `stage` and `reason`; repair and publish a new version. `loader.release(digest)`, `use()` or `refresh({ again: true })` try the same one again.',
  },
  ERR_OUTRIGGER_MODEL_UNAVAILABLE: {
    when: 'A call came while no version of the model was live: before the first one, or during a frugal swap. Or a version could not be loaded for a reason that may pass, which is in `cause`, however often it was tried.',
    fix: 'Await `whenReady()` before the first calls; let a `fallback` answer, or calls wait (`unavailable`). A watch tries again by itself.',
  },
  ERR_OUTRIGGER_ALIAS_CONFLICT: {
    when: 'An alias was to be moved from one version to another, but it pointed elsewhere by then.',
    fix: 'Read the alias again and decide anew.',
  },
  ERR_OUTRIGGER_MODEL_IN_USE: {
    when: 'A version was to be removed while an alias points to it, or while somebody holds it.',
    fix: 'Move or remove the alias; release the hold, or wait until it ends.',
  },
  ERR_OUTRIGGER_MODEL_UNTRUSTED: {
    when: 'A version does not satisfy the trust policy: no signature by a trusted key over exactly this manifest, or a digest that is not on the list.',
    fix: 'Sign the version with a trusted key, or add the key or the digest to the policy, if you know where the version comes from.',
  },
  ERR_OUTRIGGER_MODEL_TOO_LARGE: {
    when: 'A manifest, a file or a whole version is larger than the source may load. Nothing was read beyond the limit.',
    fix: 'Raise the limit if the size is right; otherwise find out who published it.',
  },
  ERR_OUTRIGGER_ENGINE_UNKNOWN: {
    when: 'A manifest names an engine that the loader was not given. It is not guessed.',
    fix: 'Give the loader that engine, or publish the version for one that it has.',
  },
  ERR_OUTRIGGER_ENGINE_FAILED: {
    when: 'An engine could not load a model, a run failed inside it, or a remote engine answered with an error. Its own error is in `cause`; of a remote one, `retryable` says whether it may pass, and `status` and `retryAfter` are those of the answer.',
    fix: 'Look at `cause`. If it came while loading, the files are not what the engine expects.',
  },
  ERR_OUTRIGGER_ENGINE_CRASHED: {
    when: 'The worker or the process that a model runs in ended or was killed while calls were in it. It is started again.',
    fix: 'Look at the events of the loader: after several crashes in a row, release another version. Mark calls `idempotent` to have them replayed.',
  },
  ERR_OUTRIGGER_SOURCE_FAILED: {
    when: 'A source of models could not be reached, or answered with an error that may pass. What is live stays live.',
    fix: 'Nothing, if it passes: a watch tries again with growing pauses. Otherwise look at `cause`.',
  },
  ERR_OUTRIGGER_MEMORY_BUDGET: {
    when: 'A version does not fit into the memory budget, even with everything unloaded that nobody uses.',
    fix: 'Raise the budget, or use `frugal` swaps, which unload before they load.',
  },
  ERR_OUTRIGGER_PEER_MISSING: {
    when: 'An optional package that an adapter needs is not installed.',
    fix: 'Install the package that the message names.',
  },
  ERR_OUTRIGGER_ALERT_FAILED: {
    when: 'A webhook did not take an alert, in all of its attempts. `status` is its last answer, where there was one. A notice has this error; no caller gets it.',
    fix: 'Look at the receiver. The alert is lost, but one that goes on is told again after `repeatMs`, and `alerts` still says what burns in `status`.',
  },
  ERR_OUTRIGGER_INJECTED: {
    when: 'The fault layer of `outrigger/testing` made the call fail on purpose.',
    fix: 'Nothing, in a test. Never run that layer in production.',
  },
}
