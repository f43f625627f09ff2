import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { seededRandom } from 'outrigger/core'
import { readBlockYaml, YamlError, type YamlValue } from '../../../src/models/sources/_block-yaml.js'

/** Documents of PyYAML, made by test/golden/block-yaml/make.py. */
const golden = JSON.parse(readFileSync(new URL('../../golden/block-yaml/golden.json', import.meta.url), 'utf8')) as { readonly yaml: string; readonly value: YamlValue }[]

const plain = (value: YamlValue): unknown => {
  if (Array.isArray(value)) return (value as readonly YamlValue[]).map(plain)
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item as YamlValue)])) : value
}

describe('readBlockYaml', () => {
  it('reads what PyYAML writes as PyYAML means it', () => {
    for (const { yaml, value } of golden) expect(plain(readBlockYaml(yaml)), yaml).toEqual(value)
  })

  it('reads it with other line ends, and with comments and blank lines between', () => {
    expect(plain(readBlockYaml('# first\r\n---\r\na:\r\n\r\n  # b\r\n  b: c # d\r\n- x\r\n'.replace('- x\r\n', '')))).toEqual({ a: { b: 'c' } })
    expect(readBlockYaml('')).toBe(null)
    expect(plain(readBlockYaml('- a\n- b'))).toEqual(['a', 'b'])
  })

  it('passes over what it does not know', () => {
    expect(plain(readBlockYaml('a: |\n  text\n  more\nb: &x c\nc: !!int 3\nd: [1, 2]\n? long key\n: value\n  deeper\ne: f\n'))).toEqual({ a: undefined, b: undefined, c: undefined, d: undefined, e: 'f' })
  })

  it.each(['text', "a: 'open", 'a: "x" y', 'a: "\\q"', 'a: "\\UFFFFFFFF"', ' a: b\nc: d', `${Array.from({ length: 100 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')}`])('refuses %j', (text) => {
    expect(() => readBlockYaml(text)).toThrow(YamlError)
  })

  it('reads or refuses whatever it is given, in time that grows with its length', () => {
    const random = seededRandom('yaml')
    const alphabet = [' ', '  ', '\n', '\n', ':', ': ', '- ', "'", '"', '\\', '#', 'a', 'b', '?', '[', '{', '|', '\t', '&']
    for (let round = 0; round < 3_000; round += 1) {
      const document = golden[random.integer(golden.length)]?.yaml ?? ''
      const at = random.integer(document.length)
      const noise = Array.from({ length: random.integer(6) }, () => alphabet[random.integer(alphabet.length)]).join('')
      const text = round % 2 === 0 ? document.slice(0, at) + noise + document.slice(at + random.integer(3)) : Array.from({ length: 40 }, () => alphabet[random.integer(alphabet.length)]).join('')
      try {
        readBlockYaml(text)
      } catch (error) {
        if (!(error instanceof YamlError)) throw new Error(`${JSON.stringify(text)}: ${String(error)}`, { cause: error })
      }
    }
    for (const piece of [' ', ':', "'", '"', '\\', '#', ' #', '- ', '? ', 'a: ', '\n', "''", '\\\\', ' :']) {
      for (const start of ['', 'a: ', "a: '", 'a: "']) {
        try {
          readBlockYaml(start + piece.repeat(300_000 / piece.length))
        } catch (error) {
          expect(error).toBeInstanceOf(YamlError)
        }
      }
    }
  })
})
