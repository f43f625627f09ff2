/** The rows of the tests that kill, and the model that scores them. */
export interface KillRow {
  readonly id: string
  readonly x: number
}

/** Some lines are torn, some rows fail, most are scored; texts have characters of several bytes. */
export const killLines = (count: number): string =>
  Array.from({ length: count }, (_, index) => (index % 37 === 5 ? `{"id":"é${index}` : JSON.stringify({ id: `id-${'ü€😀'.repeat(index % 5)}-${index}`, x: index }))).join('\n') + (count % 2 === 0 ? '\n' : '')

export const answer = async (row: KillRow): Promise<number> => {
  if (row.x % 41 === 7) throw new RangeError(`no answer for ${row.x}`)
  return row.x * 2
}
