/** Redis clients, typed by the methods used: ioredis, and node-redis from version 5 on. */
import { InvalidOptionError } from '../core/errors.js'

/** An ioredis client, or a cluster of it. */
export interface IoredisClient {
  callBuffer(command: string, ...args: (string | Buffer)[]): Promise<unknown>
}

/** A node-redis client. */
export interface NodeRedisClient {
  sendCommand(args: (string | Buffer)[], options?: { readonly typeMapping?: Record<number, unknown> }): Promise<unknown>
}

/** A connected client of the user's. It is borrowed: nothing here closes it. */
export type RedisClient = IoredisClient | NodeRedisClient

/** Sends one command. Bulk replies come back as `Buffer`, integers as numbers, a missing value as `null`. */
export type RedisCommand = (command: string, ...args: (string | Buffer)[]) => Promise<unknown>

/** The type byte of a bulk string in RESP, which node-redis maps replies by. */
const bulkString = 36

/**
 * One way to talk to either client.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when it is neither
 */
export const redisCommand = (owner: string, client: RedisClient): RedisCommand => {
  if (typeof (client as Partial<IoredisClient> | null)?.callBuffer === 'function') {
    const ioredis = client as IoredisClient
    return (command, ...args) => ioredis.callBuffer(command, ...args)
  }
  if (typeof (client as Partial<NodeRedisClient> | null)?.sendCommand === 'function') {
    const nodeRedis = client as NodeRedisClient
    return (command, ...args) => nodeRedis.sendCommand([command, ...args], { typeMapping: { [bulkString]: Buffer } })
  }
  throw new InvalidOptionError(`Cannot create ${owner} as \`client\` must be a client of ioredis or node-redis: current value has neither \`callBuffer\` nor \`sendCommand\``)
}
