/** Streams on the mesh's port are authenticated like single calls: the config server depends on it. */
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import * as grpc from '@grpc/grpc-js'
import { newKeyAndRequest } from '../../src/agent/csr.ts'
import { callAuthenticator } from '../../src/ca/call-authenticator.ts'
import { startMeshGrpcServer } from '../../src/ca/mesh-server.ts'
import type { MeshServer } from '../../src/ca/mesh-server.ts'
import type { DiscoveryRequest, DiscoveryResponse } from '../../src/proto/discovery-messages.ts'
import { loadProto } from '../../src/proto/load-proto.ts'
import { askForCertificate, quiet, startMeshControl } from '../support/mesh-control.ts'
import type { MeshControl } from '../support/mesh-control.ts'

const service = loadProto('sds.proto').service('envoy.service.secret.v3.SecretDiscoveryService')
const account = { namespace: 'shop', serviceAccount: 'cart' }
const uri = 'spiffe://cluster.local/ns/shop/sa/cart'

let mesh: MeshControl
let other: MeshServer
before(async () => {
  mesh = await startMeshControl()
  const { authority, tokens, clock } = mesh
  const authenticate = callAuthenticator({
    trustDomain: 'cluster.local',
    verifyToken: (token) => tokens.verify(token),
    now: () => clock.now(),
  })
  other = await startMeshGrpcServer(
    { authority, address: '127.0.0.1', port: 0, clock, log: quiet },
    (server) => {
      server.addService(service, {
        FetchSecrets: () => undefined,
        StreamSecrets: (call: grpc.ServerDuplexStream<DiscoveryRequest, object>) => {
          void authenticate(call).then((caller) => {
            call.write({ version_info: caller.ok ? `${caller.by} ${caller.id.uri}` : 'nobody' })
            call.end()
          })
        },
      })
    },
  )
})
after(async () => {
  other.destroy()
  await mesh.close()
})

function whoAmI(credentials: grpc.ChannelCredentials, token?: string): Promise<string> {
  const client = new grpc.Client(`127.0.0.1:${other.port}`, credentials, {
    'grpc.ssl_target_name_override': 'localhost',
    'grpc.use_local_subchannel_pool': 1,
  })
  const method = service['StreamSecrets'] as NonNullable<(typeof service)[string]>
  const metadata = new grpc.Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  const stream = client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize as (bytes: Buffer) => DiscoveryResponse,
    metadata,
  )
  return new Promise((resolve, reject) => {
    stream.on('data', (response: DiscoveryResponse) => resolve(response.version_info))
    stream.on('error', reject)
    stream.on('end', () => client.close())
    stream.end()
  })
}

test('a stream is known by token, by certificate, or not at all', async () => {
  const root = Buffer.from(mesh.authority.rootPem)
  const token = await mesh.tokens.issue({ ...account, ttlSeconds: 60 })
  assert.equal(await whoAmI(grpc.credentials.createSsl(root), token), `token ${uri}`)
  assert.equal(await whoAmI(grpc.credentials.createSsl(root)), 'nobody')
  const { csr, privateKey } = newKeyAndRequest(uri)
  const { chain } = await askForCertificate(mesh, { csr, token })
  const pair = [Buffer.from(privateKey), Buffer.from(chain[0] ?? '')] as const
  assert.equal(await whoAmI(grpc.credentials.createSsl(root, ...pair)), `certificate ${uri}`)
})

test('a second authorization value makes a caller nobody', async () => {
  const token = await mesh.tokens.issue({ ...account, ttlSeconds: 60 })
  const root = Buffer.from(mesh.authority.rootPem)
  assert.equal(await whoAmI(grpc.credentials.createSsl(root), `${token}, Bearer ${token}`), 'nobody')
})
