import { checksumOf, isRecord, isWhole } from './saved-json.js'
import { profileVersion, readFeature, refused } from './_profile-file.js'
import { ReferenceProfile } from './reference-profile.js'

/**
 * Reads a reference profile that was saved as JSON, exactly as it was.
 *
 * White space and the order of keys may change; any other edit, and a file that is cut short, is refused by the checksum. It is there
 * against accidents: who can write the file can also write a checksum that fits.
 *
 * @param saved - the text, or what `JSON.parse` made of it
 * @throws ERR_OUTRIGGER_PROFILE if it is no profile, of another version, or was changed since it was saved
 *
 * @example
 * ```ts
 * import { parseReferenceProfile, referenceProfile } from 'outrigger/drift'
 * const saved = JSON.stringify(referenceProfile(Array.from({ length: 200 }, (_, i) => ({ x: i }))))
 * assert.equal(parseReferenceProfile(saved).rows, 200)
 * assert.throws(() => parseReferenceProfile(saved.replace('200', '201')), { code: 'ERR_OUTRIGGER_PROFILE' })
 * ```
 */
export const parseReferenceProfile = (saved: string | object): ReferenceProfile => {
  const file = typeof saved === 'string' ? parsed(saved) : saved
  if (!isRecord(file) || file['format'] !== 'outrigger-profile') throw refused('its `format` must be "outrigger-profile"', isRecord(file) ? file['format'] : file)
  const { checksum, ...content } = file
  if (content['version'] !== profileVersion) throw refused(`this release reads version ${profileVersion}`, content['version'])
  if (checksumOf(content) !== checksum) throw refused('its checksum must be that of its content (it was changed or cut after it was saved)', checksum)
  const { rows, features } = content
  if (!isWhole(rows)) throw refused('its number of rows must be a whole number', rows)
  if (!Array.isArray(features) || features.length === 0) throw refused('it must have features', features)
  return new ReferenceProfile(features.map(readFeature), rows)
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw refused('it must be JSON (it may be cut short)', text, cause)
  }
}
