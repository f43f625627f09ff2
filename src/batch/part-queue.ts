/** The queue of a scoring job: BullMQ, by the methods that are used. */

/** What a queue holds for a part. */
export interface PartTask {
  readonly job: string
  readonly part: number
}

/** A job of BullMQ, by what is used of it. */
export interface QueuedPart {
  readonly data: PartTask
  updateProgress?(progress: object): Promise<void>
}

/** A queue of BullMQ, by what is used of it. */
export interface PartQueue {
  addBulk(jobs: { name: string; data: PartTask; opts: Record<string, unknown> }[]): Promise<{ getState(): Promise<string>; retry(state: 'failed'): Promise<void> }[]>
}
