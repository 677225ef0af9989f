/**
 * The only door to proto-loader: names a .proto file of this folder, gives its services and message codecs. It knows no
 * server, no client and no meaning of any message.
 */
import { loadSync } from '@grpc/proto-loader'
import type { MessageTypeDefinition, PackageDefinition, ServiceDefinition } from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'

/** Writes and reads one message type; fields keep their proto spelling (snake_case), int64 are numbers, bytes Buffers. */
export interface Codec<T> {
  encode(message: object): Buffer
  /** Throws on bytes that are not this message. */
  decode(bytes: Buffer): T
}

export interface LoadedProto {
  /** For `server.addService` and `new Client`; `name` with its package. */
  service(name: string): ServiceDefinition
  message<T>(name: string): Codec<T>
}

const folder = fileURLToPath(new URL('.', import.meta.url))
const loaded = new Map<string, LoadedProto>()

/** Loads a file of this folder once a process. Absent scalars read as '' / 0 / false, lists as [], messages as null. */
export function loadProto(file: string): LoadedProto {
  let proto = loaded.get(file)
  if (proto === undefined) {
    proto = wrap(
      loadSync(file, {
        includeDirs: [folder],
        keepCase: true,
        longs: Number,
        enums: String,
        defaults: true,
        oneofs: true,
      }),
    )
    loaded.set(file, proto)
  }
  return proto
}

function wrap(definitions: PackageDefinition): LoadedProto {
  const find = (name: string) => {
    const found = definitions[name]
    if (found === undefined) throw new TypeError(`no ${name} in the loaded proto`)
    return found
  }
  return {
    service: (name) => find(name) as ServiceDefinition,
    message<T>(name: string) {
      const type = find(name) as MessageTypeDefinition<object, object>
      return { encode: (message) => type.serialize(message), decode: (bytes) => type.deserialize(bytes) as T }
    },
  }
}
