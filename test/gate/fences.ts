/**
 * Code fences of the documentation: found here, run by `fence-runner.ts`.
 *
 * Every `ts` fence of README.md, of `docs/` and of the TSDoc of `src/` is a program of its own with a global `assert`
 * (`node:assert/strict`). It opts out in its first line, with a reason:
 * "```ts no-run: needs a GPU" is type-checked only, "```ts no-check: a fragment" is left alone.
 */

/** One fence. */
export interface Fence {
  /** Where it stands. */
  readonly file: string
  /** The line of the opening backticks, from 1. */
  readonly line: number
  readonly code: string
  readonly mode: 'run' | 'no-run' | 'no-check'
  readonly reason?: string
}

/** The fences of a text and what is wrong with how they are written. */
export interface Found {
  readonly fences: Fence[]
  readonly problems: string[]
}

/** The TSDoc of a source file as Markdown with the lines where they were; everything else becomes an empty line. */
export const tsdocOf = (source: string): string => {
  const out: string[] = []
  let inside = false
  for (const line of source.split('\n')) {
    if (!inside) {
      const open = /^\s*\/\*\*(.*)$/.exec(line)
      const rest = open?.[1]
      inside = rest !== undefined && !rest.includes('*/')
      out.push('')
    } else if (line.includes('*/')) {
      inside = false
      out.push('')
    } else out.push(line.replace(/^\s*\* ?/, ''))
  }
  return out.join('\n')
}

/** The fences of a Markdown text. Fences of other languages are passed over whole, whatever they hold. */
export const fencesOf = (file: string, markdown: string): Found => {
  const fences: Fence[] = []
  const problems: string[] = []
  let open: { line: number; indent: number; close: RegExp; info: string; code: string[] } | undefined
  for (const [index, text] of markdown.split('\n').entries()) {
    if (open === undefined) {
      const match = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/.exec(text)
      if (match === null) continue
      const [, indent = '', ticks = '', info = ''] = match
      open = { line: index + 1, indent: indent.length, close: new RegExp(`^\\s*${ticks[0]}{${ticks.length},}\\s*$`), info: info.trim(), code: [] }
    } else if (open.close.test(text)) {
      const { line, info, code } = open
      open = undefined
      const [language = '', ...rest] = info.split(/\s+/)
      if (!/^(ts|typescript|tsx|mts|cts)$/i.test(language)) continue
      if (language !== 'ts') problems.push(`${file}:${line} is marked "${language}": write "ts", so that it is run`)
      const option = rest.join(' ')
      const optOut = /^(no-run|no-check): (\S.*)$/.exec(option)
      if (option !== '' && optOut === null) problems.push(`${file}:${line} has "${option}" after ts: it may only say "no-run: reason" or "no-check: reason"`)
      const [, mode, reason] = optOut ?? []
      fences.push({ file, line, code: code.join('\n'), mode: (mode as Fence['mode'] | undefined) ?? 'run', ...(reason === undefined ? {} : { reason }) })
    } else open.code.push(text.slice(Math.min(open.indent, text.length - text.trimStart().length)))
  }
  if (open !== undefined) problems.push(`${file}:${open.line} opens a fence that nothing closes`)
  return { fences, problems }
}
