/**
 * JSON in one line that no terminal makes anything of: what `JSON.stringify` leaves of control characters, of such that turn the direction of a text, and of
 * invisible ones, is escaped. It parses to the same.
 */
export const safeJson = (value: unknown): string =>
  `${JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part)).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, (character) => character.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''))}\n`
