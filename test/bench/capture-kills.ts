/** A thousand kills of writers of records at random points: `npm run capture:kills`. Some minutes. Ends with a status that is not 0 if anything was lost but the batch under way, or read torn. */
import { killings } from '../capture/_killings.js'

const { problems, ...total } = await killings(Number(process.argv[2] ?? 1000), process.argv[3] ?? 'thousand')
console.log(JSON.stringify(total, undefined, 1))
console.log(problems.length === 0 ? 'ok' : `MISS:\n${problems.slice(0, 20).join('\n')}`)
process.exitCode = problems.length === 0 ? 0 : 1
