import type { CapturedLine } from './captured-line.js'

/** The lines of each class. */
export const byClass = (lines: readonly CapturedLine[]): Map<string, readonly CapturedLine[]> => {
  const first = lines[0]?.class
  if (first !== undefined && lines.every((line) => line.class === first)) return new Map([[first, lines]])
  const classes = new Map<string, CapturedLine[]>()
  for (const line of lines) {
    const own = classes.get(line.class)
    if (own === undefined) classes.set(line.class, [line])
    else own.push(line)
  }
  return classes
}
