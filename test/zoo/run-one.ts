/** One case against one library, in a process of its own: `run-one.ts <case> <subject> [<package>=<alias>…]`. Prints the result. */
import { families } from './cases.js'
import { ourKit, theirKit, type SubjectName } from './kit.js'

const [id, subject, ...aliases] = process.argv.slice(2)
const one = families.flatMap(({ cases }) => cases).find((candidate) => candidate.id === id)
if (one === undefined || subject === undefined) throw new RangeError(`there is no case ${id}`)
const kit = subject === 'outrigger' ? ourKit() : theirKit(Object.fromEntries(aliases.map((alias) => alias.split('=') as [string, string])))
const result = await one.run(subject as SubjectName, kit)
process.stdout.write(`\n${JSON.stringify(result)}\n`)
// What a rival still holds is none of this process's business.
process.exit(0)
