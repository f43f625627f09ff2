/**
 * Batching: rows that travel together.
 *
 * `microBatched` is for a model that many callers ask for one row each, and that answers a hundred rows in little more
 * time than one: it gathers what comes while the engine is busy. Not for models that answer row by row; it finds out and
 * goes out of the way.
 *
 * `scoreBatch` is for rows that nobody waits for: it scores a file or a stream into another one, and can be resumed. Not
 * for answers that somebody waits for; docs/choosing-online-or-batch.md says which is for what.
 */
export type { MicroBatchState } from './_batcher.js'
export type { RunTimeFit } from './_run-times.js'
export { microBatched } from './micro-batched.js'
export type { MicroBatchedLayer, MicroBatchedOptions, NeutralMicroBatchedLayer } from './micro-batched.js'
export { scoreBatch } from './score-batch.js'
export type { CheckpointOptions, ResultOption, ScoreBatchOptions, ScoringSummary } from './score-batch.js'
export type { DeadLetter, Scored, ScoredRow, ScoringOptions } from './scoring-options.js'
export type { ScoringProgress } from './scoring-progress.js'
export { terminalProgress } from './terminal-progress.js'
export type { TerminalStream } from './terminal-progress.js'
export { jsonlFile } from './jsonl-file.js'
export type { RowFile } from './jsonl-file.js'
export { csvFile } from './csv-file.js'
export type { CsvOptions } from './csv-file.js'
export type { RowPage, RowSource, Source, SourcePart, UnreadableRow } from './source.js'
export type { RowArray, RowSink, RowWriter, Sink } from './sink.js'
export type { JobContext, JobFileSystem } from './_job-files.js'
export { parquetFile } from './parquet-file.js'
export type { ParquetOptions } from './parquet-file.js'
export type { DuckDb, DuckDbConnection } from '../store/duckdb.js'
export { scoringJob } from './scoring-job.js'
export type { PartQueue, PartTask, QueuedPart } from './part-queue.js'
export type { ScoringJob, ScoringJobOptions, ScoringJobSummary } from './scoring-job.js'
export type { PartResult } from './_part-directory.js'
