/** Records as columns. One list for segments and for Parquet, so that a question has the same answer before and after a compaction. */

const text = (path: string, name: string): string => `line ->> '$.${path}' AS ${name}`
const number = (path: string, name: string): string => `TRY_CAST(line ->> '$.${path}' AS DOUBLE) AS ${name}`
/** Whoever gives labels may give times that no `Date` has. */
const at = `TRY_CAST(line ->> '$.at' AS DOUBLE)`
const json = (path: string, name: string): string => `line -> '$.${path}' AS ${name}`

/** Of a relation with a column `line` of type JSON. */
export const recordColumns: string = [
  text('kind', 'kind'), text('id', 'id'), number('at', 'at_ms'), `CASE WHEN abs(${at}) <= 8.64e15 THEN make_timestamp(TRY_CAST(1000 * ${at} AS BIGINT)) END AS time`, text('class', 'class'),
  text('identity.name', 'model'), text('identity.version', 'version'), text('identity.digest', 'digest'),
  text('outcome', 'outcome'), text('source', 'source'), text('error.name', 'error'), text('error.code', 'code'), number('attempts', 'attempts'), text('rung.name', 'rung'), text('variants[0].variant', 'variant'),
  number('durations.totalMs', 'total_ms'), number('durations.modelMs', 'model_ms'), number('durations.queueMs', 'queue_ms'), `TRY_CAST(line ->> '$.isShadow' AS BOOLEAN) AS is_shadow`,
  text('trace.traceId', 'trace'), text('subject', 'subject'), text('sample.reason', 'sampled'), `1 / TRY_CAST(line ->> '$.sample.probability' AS DOUBLE) AS weight`,
  json('tags', 'tags'), json('input', 'input'), json('output', 'output'), json('value', 'value'),
  text('actor', 'actor'), text('reason', 'reason'), json('before', 'before'), json('after', 'after'), text('layer', 'layer'), text('from', 'state_from'), text('to', 'state_to'),
].join(', ')

/** The names of these columns. */
export const recordColumnNames: string = [...recordColumns.matchAll(/ AS (\w+)(?=,|$)/g)].map(([, name]) => name).join(', ')
