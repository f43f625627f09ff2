import { isError } from '../core/errors.js'

/** What a user's function failed with. Its message may hold what records may not. */
export const failureOf = (error: unknown): string => (isError(error) ? ('code' in error && typeof error.code === 'string' ? error.code : error.name) : typeof error)
