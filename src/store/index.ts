/**
 * Where the processes of a service leave things for each other: states, which each process writes under its own name, and
 * journals, to which all append and in which one order counts. In memory, in files, on Redis, in PostgreSQL.
 *
 * Use it for what counts in several processes or outlives one: profiles of drift, experiments, rollouts. Experimental.
 */
export { fileJournal } from './file-journal.js'
export type { FileJournalOptions } from './file-journal.js'
export { fileStateStore } from './file-state-store.js'
export type { FileStateStoreOptions } from './file-state-store.js'
export type { FileSystem, FileSystemHandle } from './file-system.js'
export { memoryJournal } from './journal.js'
export type { Journal } from './journal.js'
export { postgresJournal } from './postgres-journal.js'
export { postgresStateStore } from './postgres-state-store.js'
export type { PostgresClient, PostgresStoreOptions } from './postgres.js'
export { redisJournal } from './redis-journal.js'
export type { RedisJournalOptions } from './redis-journal.js'
export { redisStateStore } from './redis-state-store.js'
export type { RedisStateStoreOptions } from './redis-state-store.js'
export type { IoredisClient, NodeRedisClient, RedisClient } from './redis.js'
export { memoryStateStore } from './state-store.js'
export type { StateStore, StoredState } from './state-store.js'
