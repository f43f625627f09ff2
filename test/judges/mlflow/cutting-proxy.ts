/** A proxy that lets so many bytes of each answer through and then cuts the connection. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface CuttingProxy {
  readonly url: string
  /** Connections that were cut. */
  readonly cuts: number
  /** Bytes that came through from the server. */
  readonly passed: number
  stop(): Promise<void>
}

export const startCuttingProxy = async (to: string, limit: () => number): Promise<CuttingProxy> => {
  const target = new URL(to)
  const sockets = new Set<Socket>()
  const proxy = { cuts: 0, passed: 0 }
  const server = createServer((client) => {
    let left = limit()
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => {
        sockets.delete(socket)
        client.destroySoon()
        upstream.destroySoon()
      })
    }
    client.pipe(upstream)
    upstream.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, left)
      left -= part.length
      proxy.passed += part.length
      if (!client.write(part)) {
        upstream.pause()
        client.once('drain', () => upstream.resume())
      }
      if (left > 0) return
      proxy.cuts += 1
      client.destroySoon()
      upstream.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}
