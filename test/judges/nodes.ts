/** The Nodes that the library promises to run on, fetched by npx where this is another. */
import { execFileSync } from 'node:child_process'

/** A Node that can be started. */
export interface OtherNode {
  /** Such as `24.1.0`. */
  readonly version: string
  readonly path: string
}

/** This Node, and of the `majors` those that this is not. One that npx cannot fetch is missing, which a judge should say. */
export const nodesOf = (majors: readonly number[]): readonly OtherNode[] => {
  const own = process.versions.node
  const others = majors.filter((major) => !own.startsWith(`${major}.`)).flatMap((major) => {
    try {
      const [version = '', path = ''] = execFileSync('npx', ['-y', '-p', `node@${major}`, 'node', '-p', '`${process.versions.node} ${process.execPath}`'], { encoding: 'utf8', timeout: 300_000, stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').at(-1)?.split(' ') ?? []
      return [{ version, path }]
    } catch {
      return []
    }
  })
  return [{ version: own, path: process.execPath }, ...others]
}
