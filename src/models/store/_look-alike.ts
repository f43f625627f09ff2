/** A store may be copied to where `Delay` and `delay` are one name, so it holds no two of that kind anywhere. */
import { InvalidOptionError } from '../../core/errors.js'
import type { ModelDepot } from './depot.js'

/** Refuses a name if another one in this folder differs from it by case alone. */
export const refuseLookAlike = async (depot: ModelDepot, folder: string, action: string, name: string): Promise<void> => {
  const names = await depot.names(folder)
  const other = names.includes(name) ? undefined : names.find((taken) => taken.toLowerCase() === name.toLowerCase())
  if (other !== undefined) throw new InvalidOptionError(`Cannot ${action} as its name must differ from ${other} by more than case: current value is ${JSON.stringify(name)}`)
}
