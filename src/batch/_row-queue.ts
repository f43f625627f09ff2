/** Rows that wait for a run: lanes by rank, groups that may share a run, and within a group one line per client. Pure. */

/** Where a row stands in the queue; rows extend it. */
export class Place {
  /** Rows of different groups never share a run. */
  readonly group: string
  /** Whose row it is; each client has a line of its own. `undefined` for nobody's in particular. */
  readonly client: unknown
  /** Higher goes first. */
  readonly rank: number
  before: Place | undefined = undefined
  after: Place | undefined = undefined
  line: Line | undefined = undefined

  constructor(group: string, client: unknown, rank: number) {
    this.group = group
    this.client = client
    this.rank = rank
  }
}

/** The rows of one client, first come, first served. The lines that have rows stand in a circle. */
class Line {
  readonly client: unknown
  readonly circle: Circle
  first: Place | undefined = undefined
  last: Place | undefined = undefined
  size = 0
  previous: Line = this
  next: Line = this

  constructor(client: unknown, circle: Circle) {
    this.client = client
    this.circle = circle
  }
}

/** The lines of one group in one lane; each gives one row per round. */
class Circle {
  readonly group: string
  readonly lane: Lane
  readonly lines: Map<unknown, Line> = new Map()
  /** Whose turn it is. */
  turn: Line | undefined = undefined
  size = 0

  constructor(group: string, lane: Lane) {
    this.group = group
    this.lane = lane
  }
}

interface Lane {
  readonly rank: number
  /** In the order of their turns. */
  readonly circles: Map<string, Circle>
  size: number
}

/** What is done for a row that comes when the queue is full. */
export type WhenFull = 'reject-newest' | 'reject-lowest-priority'

/** Emptied lanes and groups are kept up to here, as the next row most likely needs them again. */
const KEPT = 8

/**
 * A bounded queue of rows. Adding, leaving and taking cost O(1) per row and the number of lanes that have rows.
 *
 * Fair in what it gives: the highest lane first, and within it one row per client and round. Fair in what it takes:
 * a client may hold no more rows than there is room left (the dynamic threshold of Choudhury and Hahne, 1998), so that
 * one who floods the queue fills at most half of it and others always find a place.
 */
export class RowQueue<T extends Place> {
  readonly #max: number
  readonly #whenFull: WhenFull
  readonly #onEvict: (row: T) => void
  /** Those that go first come first. */
  readonly #lanes: Lane[] = []
  /** Where the last row went: the next one most likely goes there too, which spares it three look-ups. */
  #recent: Line | undefined
  #size = 0

  constructor(max: number, whenFull: WhenFull, onEvict: (row: T) => void) {
    this.#max = max
    this.#whenFull = whenFull
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#size
  }

  /** Takes the row in, or gives `false` when there is no room for it. */
  offer(row: T): boolean {
    const line = this.#knownLineOf(row)
    const room = this.#max - this.#size
    const held = row.client === undefined || line === undefined ? 0 : line.size
    // A first row needs a place; a further one of the same client must leave as much room as the client holds.
    if (room < 1 || held >= room) {
      if (this.#whenFull === 'reject-newest' || room >= 1) return false
      const lowest = this.#lanes.findLast(({ size }) => size > 0)
      if (lowest === undefined || row.rank <= lowest.rank) return false
      const evicted = newestOf(lowest)
      this.remove(evicted as T)
      this.#onEvict(evicted as T)
    }
    this.#append(row, line ?? this.#newLineOf(row), false)
    return true
  }

  /** Puts back what was taken, ahead of its client's other rows. */
  restore(rows: readonly T[]): void {
    for (let index = rows.length - 1; index >= 0; index -= 1) {
      const row = rows[index] as T
      this.#append(row, this.#knownLineOf(row) ?? this.#newLineOf(row), true)
    }
  }

  /** Takes a row away. Gives `false` when it does not wait here any more. */
  remove(row: T): boolean {
    const { line } = row
    if (line === undefined) return false
    const { before, after } = row
    if (before === undefined) line.first = after
    else before.after = after
    if (after === undefined) line.last = before
    else after.before = before
    row.before = undefined
    row.after = undefined
    row.line = undefined
    this.#shrink(line, 1)
    return true
  }

  /**
   * Takes up to `limit` rows of one group: that of the highest lane whose turn it is. What is left of the limit is
   * filled with rows of the same group from the lanes below.
   */
  take(limit: number): T[] {
    const rows: T[] = []
    let group: string | undefined
    for (const lane of this.#lanes) {
      if (lane.size === 0) continue
      const circle = group === undefined ? firstOf(lane) : lane.circles.get(group)
      if (circle === undefined) continue
      group = circle.group
      while (rows.length < limit && circle.turn !== undefined) {
        const line = circle.turn
        if (line.next === line) {
          this.#takeFrom(line, limit - rows.length, rows)
          break
        }
        circle.turn = line.next
        rows.push(line.first as T)
        this.remove(line.first as T)
      }
      // The group goes to the end of its lane's round.
      if (lane.circles.size > 1 && lane.circles.delete(group)) lane.circles.set(group, circle)
      if (rows.length === limit) break
    }
    return rows
  }

  /** How many lanes, groups and lines it holds, those without rows included. */
  get kept(): number {
    let kept = this.#lanes.length
    for (const { circles } of this.#lanes) for (const { lines } of circles.values()) kept += 1 + lines.size
    return kept
  }

  /** Every row that waits, in no order. */
  *[Symbol.iterator](): Generator<T> {
    for (const { circles } of this.#lanes) {
      for (const { lines } of circles.values()) {
        for (const { first } of lines.values()) {
          for (let place = first; place !== undefined; place = place.after) yield place as T
        }
      }
    }
  }

  #laneOf({ rank }: Place): Lane {
    const lanes = this.#lanes
    let index = 0
    while (index < lanes.length) {
      const lane = lanes[index] as Lane
      if (lane.rank === rank) return lane
      if (rank > lane.rank) break
      index += 1
    }
    const lane: Lane = { rank, circles: new Map(), size: 0 }
    lanes.splice(index, 0, lane)
    // None of these is that of the row before: the one that comes now is put into the new lane at once.
    if (lanes.length > KEPT) for (const empty of lanes.filter(({ size }, at) => size === 0 && at !== index)) lanes.splice(lanes.indexOf(empty), 1)
    return lane
  }

  /** Takes the first rows of a line that is alone in its circle: they need not take turns. */
  #takeFrom(line: Line, count: number, rows: T[]): void {
    const before = rows.length
    let place = line.first
    while (place !== undefined && rows.length - before < count) {
      const { after } = place
      place.before = undefined
      place.after = undefined
      place.line = undefined
      rows.push(place as T)
      place = after
    }
    line.first = place
    if (place === undefined) line.last = undefined
    else place.before = undefined
    this.#shrink(line, rows.length - before)
  }

  /** So many rows have left the line. */
  #shrink(line: Line, count: number): void {
    const { circle, client } = line
    const { lane } = circle
    line.size -= count
    circle.size -= count
    lane.size -= count
    this.#size -= count
    if (line.size > 0) return
    leaveCircle(line)
    // That of nobody in particular is needed again by the next row.
    if (client !== undefined) {
      circle.lines.delete(client)
      this.#recent = undefined
    }
    if (circle.size === 0 && lane.circles.size > KEPT) {
      lane.circles.delete(circle.group)
      this.#recent = undefined
    }
  }

  #knownLineOf(row: Place): Line | undefined {
    const recent = this.#recent
    if (recent !== undefined && recent.client === row.client && recent.circle.group === row.group && recent.circle.lane.rank === row.rank) return recent
    return this.#laneOf(row).circles.get(row.group)?.lines.get(row.client)
  }

  #newLineOf(row: Place): Line {
    const lane = this.#laneOf(row)
    let circle = lane.circles.get(row.group)
    if (circle === undefined) lane.circles.set(row.group, (circle = new Circle(row.group, lane)))
    const line = new Line(row.client, circle)
    circle.lines.set(row.client, line)
    return line
  }

  #append(row: T, line: Line, isFirst: boolean): void {
    const { circle } = line
    const { lane } = circle
    this.#recent = line
    // A group that was empty joins the round at its end.
    if (circle.size === 0 && lane.circles.size > 1 && lane.circles.delete(row.group)) lane.circles.set(row.group, circle)
    if (line.size === 0) enterCircle(line)
    row.line = line
    if (isFirst) {
      row.after = line.first
      if (line.first === undefined) line.last = row
      else line.first.before = row
      line.first = row
    } else {
      row.before = line.last
      if (line.last === undefined) line.first = row
      else line.last.after = row
      line.last = row
    }
    line.size += 1
    circle.size += 1
    lane.size += 1
    this.#size += 1
  }
}

const firstOf = (lane: Lane): Circle | undefined => {
  for (const circle of lane.circles.values()) if (circle.size > 0) return circle
  return undefined
}

/** The last row of the client whose turn is farthest away. */
const newestOf = (lane: Lane): Place => {
  const circle = [...lane.circles.values()].findLast(({ size }) => size > 0) as Circle
  return (circle.turn as Line).previous.last as Place
}

const enterCircle = (line: Line): void => {
  const { circle } = line
  const { turn } = circle
  if (turn === undefined) {
    circle.turn = line
    line.previous = line
    line.next = line
    return
  }
  // The last of the round.
  line.previous = turn.previous
  line.next = turn
  turn.previous.next = line
  turn.previous = line
}

const leaveCircle = (line: Line): void => {
  const { circle } = line
  if (line.next === line) circle.turn = undefined
  else {
    line.previous.next = line.next
    line.next.previous = line.previous
    if (circle.turn === line) circle.turn = line.next
  }
}
