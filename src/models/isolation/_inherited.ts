/** What a child process takes over of how this one was started. Pure. */

/** Flags that are about this process alone: its debugger, its watcher, its test runner, its text of a program. */
const alone = /^--(inspect|debug-port|watch|test|eval|print|check|interactive|input-type|cpu-prof|heap-prof|prof|cpu-profile|run)/
const withValue = new Set(['-e', '--eval', '-p', '--print', '-pe', '--watch-path', '--test-name-pattern', '--test-reporter', '--test-reporter-destination', '--input-type', '--run'])
const short = new Set(['-c', '-i', '-e', '-p', '-pe'])

/** The flags of Node to pass on: loaders, conditions, limits of the heap. */
export const inheritedArguments = (execArgv: readonly string[]): string[] => {
  const kept: string[] = []
  for (let index = 0; index < execArgv.length; index += 1) {
    const flag = execArgv[index] as string
    if (short.has(flag) || alone.test(flag)) {
      if (withValue.has(flag)) index += 1
      continue
    }
    kept.push(flag)
  }
  return kept
}

/** The environment to pass on. A debugger that it names would be fought over. */
export const inheritedEnvironment = (env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> => {
  const { NODE_OPTIONS, ...rest } = env
  if (NODE_OPTIONS === undefined) return rest
  return { ...rest, NODE_OPTIONS: NODE_OPTIONS.replace(/(^|\s)--inspect[\w-]*(=\S+)?/g, '').trim() }
}
