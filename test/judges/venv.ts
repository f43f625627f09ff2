/** A Python of its own with packages of PyPI, in the cache outside the tree. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { command } from '../gate/command.js'
import { CannotJudge } from './judge.js'

/**
 * The folder of a virtual environment that holds these packages; made at the first time, which takes minutes.
 *
 * @param name - names its folder: what is in it, with the version
 * @throws {CannotJudge} without Python, or where pip reaches no index
 */
export const venv = async (name: string, packages: readonly string[]): Promise<string> => {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'outrigger-judges', name)
  const ready = join(folder, 'outrigger-ready') // written last
  if (existsSync(ready)) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  console.log(`${name}: pip installs ${packages.join(' ')}…`)
  for (const [program, args] of [['python3', ['-m', 'venv', folder]], [join(folder, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages]]] as const) {
    const { ok, output } = await command(program, [...args], { timeoutMs: 15 * 60_000 })
    if (!ok) throw new CannotJudge(`${name} cannot be installed: ${output.trim().split('\n').slice(-3).join(' ')}`)
  }
  writeFileSync(ready, `${packages.join('\n')}\n`)
  return folder
}
