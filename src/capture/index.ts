/**
 * Keeps what was predicted: records of predictions, late labels, overrides and changes of state, in files, on S3, in PostgreSQL or by a
 * function, and reads them again: as a stream, joined, or by SQL.
 *
 * Use it where somebody will ask later what was answered, to whom, and why. For figures alone `predictor.observe` is enough. Experimental.
 */
export { capture } from './capture.js'
export type { Capture, CaptureCounts, CaptureOptions, Override } from './capture.js'
export type { CapturedLine } from './captured-line.js'
export type { SinkCounts } from './_outlet.js'
export { compactSegments } from './compact-segments.js'
export type { CompactedSegments, CompactSegmentsOptions } from './compact-segments.js'
export { postgresRecordSink, postgresRecordSource } from './postgres-record-sink.js'
export type { PostgresRecordSinkOptions } from './postgres-record-sink.js'
export { queryRecords } from './query-records.js'
export type { QueryRecordsOptions } from './query-records.js'
export { functionSink } from './record-sink.js'
export type { FunctionSinkOptions, RecordSink, SinkBatch, SinkNotice } from './record-sink.js'
export { s3RecordSink, s3RecordSource } from './s3-record-sink.js'
export type { S3RecordSinkOptions, S3RecordSourceOptions } from './s3-record-sink.js'
export type { SamplingOptions } from './sampling.js'
export { scanRecords } from './scan-records.js'
export type { ScannedPrediction, ScanOptions } from './scan-records.js'
export type { SegmentSync } from './_segment-writer.js'
export { segmentSink } from './segment-sink.js'
export type { SegmentSinkOptions } from './segment-sink.js'
export { segmentSource } from './segment-source.js'
export type { SegmentSource, SegmentSourceOptions, SegmentsVerdict } from './segment-source.js'
export type { RecordFilter, RecordSource, SampleReason, StoredChange, StoredLabel, StoredOverride, StoredPrediction, StoredRecord } from './stored-record.js'
export { sweepSegments } from './sweep-segments.js'
export type { SweepSegmentsOptions, SweptSegments } from './sweep-segments.js'
