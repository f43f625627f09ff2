/** The text tree of a stack. */
import type { AnyStage } from './stage.js'

/** Outermost first, as a call travels; what a stage leads to stands below it, indented. */
export const describeStage = (stage: AnyStage): string => {
  const lines: string[] = []
  const walk = (at: AnyStage, prefix: string, label: string, lead: string): void => {
    lines.push(`${prefix}${lead}${label === '' ? '' : `${label}: `}${at.describe()}`)
    const below = lead === '' ? prefix : `${prefix}${lead === '└─ ' ? '   ' : '│  '}`
    at.branches.forEach((branch, index) => walk(branch.stage, below, branch.label, index === at.branches.length - 1 ? '└─ ' : '├─ '))
  }
  walk(stage, '', '', '')
  return lines.join('\n')
}
