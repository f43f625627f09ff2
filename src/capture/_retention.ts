import { numberOption, optionsObject } from '../core/options.js'
import { className } from './_segment-name.js'

/** The checked days of each class. */
export const retentionOption = (owner: string, retention: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> => {
  optionsObject(owner, retention, Object.keys(retention ?? {}))
  for (const [name, days] of Object.entries(retention)) numberOption(owner, `retention.${className(owner, name)}`, days, { min: 0, exclusive: true, infinite: true })
  return retention
}
