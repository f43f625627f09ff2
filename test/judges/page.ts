/** The committed page of a judge's verdict. */
import { homedir, tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './judge.js'

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** A line of text without what only this machine has: its folders, colours, line ends. */
export const plain = (text: string): string =>
  [[root, '.'], [tmpdir(), '<tmp>'], [homedir(), '~']]
    .reduce((line, [folder, short]) => (folder === '/' ? line : line.replaceAll(folder as string, short as string)), text)
    // oxlint-disable-next-line no-control-regex
    .replace(/\u001B\[[0-9;]*m/g, '')
    .replace(/\s+/g, ' ')
    .trim()

const cell = (text: string): string => plain(text).replaceAll('|', '\\|')

/** The page as Markdown. `date` is `YYYY-MM-DD`. */
export const page = (name: string, { versions, checks }: Verdict, date: string): string => {
  const failed = checks.filter(({ ok }) => !ok).length
  return [
    `# ${name}: what the judge saw`,
    '',
    `Written by \`npm run judges -- ${name}\`; not edited by hand.`,
    '',
    `${date} · ${checks.length} checks · ${failed === 0 ? 'all passed' : `**${failed} failed**`}`,
    '',
    '| judged with | version |',
    '|---|---|',
    ...Object.entries({ Node: process.version, platform: `${process.platform} ${process.arch}`, ...versions }).map(([what, version]) => `| ${cell(what)} | ${cell(version)} |`),
    '',
    '| | check | what was seen |',
    '|---|---|---|',
    ...checks.map(({ name: what, ok, detail }) => `| ${ok ? 'ok' : '**FAIL**'} | ${cell(what)} | ${cell(detail)} |`),
    '',
  ].join('\n')
}
