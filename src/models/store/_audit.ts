/** The audit trail: the lines of all logs, merged by time. */
import { hasCode } from '../../core/errors.js'
import { ChangeLog } from './_change-log.js'
import type { StoreParts } from './_parts.js'
import { corrupt } from './_faults.js'
import { placeOf, type LogPlace } from './_layout.js'
import type { AuditLine, ModelChange } from './change.js'

interface LogAt {
  readonly place: LogPlace
  readonly log: ChangeLog<ModelChange>
  /** The revisions that are there, ascending. */
  readonly revisions: number[]
}

/** By model; in a model the versions by number, then the aliases by name. */
const compare = (a: LogPlace, b: LogPlace): number => {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  if (a.kind !== b.kind) return a.kind === 'version' ? -1 : 1
  return a.kind === 'version' && b.kind === 'version' ? a.version - b.version : a.folder < b.folder ? -1 : 1
}

/** The logs of one model, or of all. */
const findLogs = async ({ depot }: StoreParts, name: string | undefined): Promise<LogAt[]> => {
  const logs = new Map<string, LogAt>()
  for await (const { key } of depot.list(name === undefined ? 'models/' : `models/${name}/`)) {
    const place = placeOf(key)
    if (place?.kind !== 'version' && place?.kind !== 'alias') continue
    const own = place.kind === 'version' ? { name: place.name, version: place.version } : { name: place.name, alias: place.alias }
    const found = logs.get(place.folder) ?? { place, log: new ChangeLog<ModelChange>(depot, place.folder, own as Partial<ModelChange>), revisions: [] }
    logs.set(place.folder, found)
    found.revisions.push(place.revision)
  }
  for (const { revisions } of logs.values()) revisions.sort((a, b) => a - b)
  return [...logs.values()].sort((a, b) => compare(a.place, b.place))
}

/** What an audit line shows of a line: not the state that it carries for readers of the log. */
const publicOf = (line: ModelChange): ModelChange => {
  const { digest: _digest, tags: _tags, signatures: _signatures, back: _back, ...change } = line as ModelChange & Readonly<Record<string, unknown>>
  return change as ModelChange
}

/** The lines of a log in their order; where one is missing or damaged, that is said in its place. */
async function* linesOf({ log, revisions }: LogAt): AsyncGenerator<AuditLine> {
  let expected = 1
  for (const revision of revisions) {
    const key = log.key(expected)
    if (revision > expected) yield { ok: false, key, error: corrupt(key, 'it must be there', revision === expected + 1 ? 'missing' : `missing, like all before revision ${revision}`) }
    expected = revision + 1
    try {
      yield { ok: true, change: publicOf(await log.load(revision)) }
    } catch (error) {
      if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT') && !hasCode(error, 'ERR_OUTRIGGER_MODEL_TOO_LARGE')) throw error
      yield { ok: false, key: log.key(revision), error }
    }
  }
}

interface Head { readonly lines: AsyncGenerator<AuditLine>; readonly line: AuditLine; readonly at: string; readonly order: number }

const isAfter = (head: Head, at: string, order: number): boolean => head.at > at || (head.at === at && head.order > order)

/** The audit trail of one model or of all. It holds one line of each log in memory. */
export async function* auditLines(parts: StoreParts, name: string | undefined): AsyncGenerator<AuditLine> {
  const heads: Head[] = []
  const push = async (lines: AsyncGenerator<AuditLine>, order: number, before: string): Promise<void> => {
    const next = await lines.next()
    if (next.done === true) return
    const line = next.value
    // A clock that went back does not bring the lines of a log out of order; what cannot be read comes right after the line before it.
    const at = line.ok && line.change.at > before ? line.change.at : before
    let place = heads.length
    while (place > 0 && isAfter(heads[place - 1] as Head, at, order)) place -= 1
    heads.splice(place, 0, { lines, line, at, order })
  }
  for (const [order, found] of (await findLogs(parts, name)).entries()) await push(linesOf(found), order, '')
  for (let head = heads.shift(); head !== undefined; head = heads.shift()) {
    yield head.line
    await push(head.lines, head.order, head.at)
  }
}
