import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { addConfigService } from '../../src/config-server/ads-server.ts'
import { ResourceStore } from '../../src/config-server/resource-store.ts'
import { assembleConfig } from '../../src/discovery/assemble-config.ts'
import type { AdsCredentials } from '../../src/discovery/ads-stream.ts'
import { ConfigClient } from '../../src/discovery/config-client.ts'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import { createTestCa } from '../support/test-ca.ts'

test(
  'over TLS a client certificate proves the caller, and a server of other roots is not believed',
  { timeout: 15_000 },
  async (t) => {
    const ca = await createTestCa({ trustDomain: 'cluster.local' })
    const stranger = await createTestCa({ trustDomain: 'cluster.local' })
    const own = await ca.issue({ dns: ['istiod.istio-system.svc'] })
    const store = new ResourceStore()
    const state = new ResourceState().apply([])
    store.update(state, assembleConfig(state, []))
    const server = new Server()
    const leaves: (Buffer | undefined)[] = []
    const service = addConfigService(server, {
      store,
      clock: systemClock,
      random: () => 0.5,
      authenticate: (call) => {
        leaves.push(call.getAuthContext().sslPeerCertificate?.raw)
        return { namespace: 'shop', serviceAccount: 'web' }
      },
    })
    const credentials = ServerCredentials.createSsl(
      Buffer.from(ca.rootPem),
      [{ private_key: Buffer.from(own.privateKey), cert_chain: Buffer.from(own.certificateChain) }],
      true,
    )
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    const alive = setInterval(() => undefined, 1_000)
    t.after(() => {
      clearInterval(alive)
      service.close()
      server.forceShutdown()
    })
    const svid = await ca.svid('shop', 'web')
    const connect = (rootPem: string, serverName: string) => {
      const given: AdsCredentials = {
        rootPem,
        certificate: { chainPem: svid.certificateChain, keyPem: svid.privateKey },
        token: null,
      }
      const lost = Promise.withResolvers<string>()
      const client = new ConfigClient(
        {
          clock: systemClock,
          random: () => 0.5,
          credentials: () => given,
          report: (_event, detail) => lost.resolve(detail),
        },
        {
          server: `127.0.0.1:${port}`,
          serverName,
          workload: {
            name: 'w',
            namespace: 'shop',
            serviceAccount: 'web',
            labels: {},
            addresses: ['10.0.0.1'],
          },
          domain: 'cluster.local',
          lastGood: null,
        },
      )
      t.after(() => client.close())
      return { client, lost: lost.promise }
    }
    const right = connect(ca.rootPem, 'istiod.istio-system.svc')
    assert.equal((await right.client.snapshots.first()).generation, 1)
    assert.deepEqual(leaves[0], svid.der)
    assert.match(await connect(stranger.rootPem, 'istiod.istio-system.svc').lost, /UNAVAILABLE/)
    assert.match(await connect(ca.rootPem, 'somebody.else').lost, /UNAVAILABLE/)
    assert.equal(leaves.length, 1)
  },
)
