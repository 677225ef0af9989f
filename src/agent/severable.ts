/**
 * Channel credentials whose connections can be cut. grpc-js waits for ever for a server that accepts and says nothing,
 * and closing the client does not end that wait: without this, each try against a hung CA would leave a socket behind.
 */
import type { ChannelCredentials } from '@grpc/grpc-js'

/** Makes `credentials` remember the sockets it secures; the answer destroys them all. */
export function severable(credentials: ChannelCredentials): () => void {
  const sockets = new Set<{ destroy(): unknown }>()
  let severed = false
  const create = credentials._createSecureConnector.bind(credentials)
  credentials._createSecureConnector = (...target) => {
    const connector = create(...target)
    const connect = connector.connect.bind(connector)
    connector.connect = (socket) => {
      // One that was still dialling when we cut comes late.
      if (severed) socket.destroy()
      else sockets.add(socket)
      return connect(socket)
    }
    return connector
  }
  return () => {
    severed = true
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
}
