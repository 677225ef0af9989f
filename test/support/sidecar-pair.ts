/**
 * Two whole data threads and an application: web's sidecar in front of a client, app's sidecar in front of the
 * application, mTLS between them. What scenario tests of the leg between sidecars stand on.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Harness, inboundPort } from './data-plane-harness.ts'
import type { SnapshotParts } from './data-plane-harness.ts'
import { createTestCa } from './test-ca.ts'
import { endpoint, service } from '../cluster/mesh.ts'

export const pairCa = await createTestCa({ trustDomain: 'cluster.local' })
export const webIdentity = await pairCa.svid('shop', 'web')
export const appIdentity = await pairCa.svid('ns2', 'app')

export class SidecarPair {
  /** In front of the client. */
  readonly outbound: Harness
  /** In front of the application. */
  readonly inbound: Harness

  constructor(outbound: Harness, inbound: Harness) {
    this.outbound = outbound
    this.inbound = inbound
  }

  static async start(applicationPort: number): Promise<SidecarPair> {
    const outbound = await Harness.start({ outbound: true })
    const inbound = await Harness.start({ applications: [applicationPort] })
    const pair = new SidecarPair(outbound, inbound)
    outbound.identity(webIdentity, { 'cluster.local': pairCa.rootPem })
    inbound.identity(appIdentity, { 'cluster.local': pairCa.rootPem })
    pair.applyInbound()
    const api = service('api', { endpoints: [endpoint('127.0.0.1', { ports: { 80: inbound.port } })] })
    outbound.apply({ services: [api] })
    return pair
  }

  applyInbound(parts: SnapshotParts = {}): void {
    this.inbound.apply({ inboundPorts: [inboundPort(this.inbound.port, 'http', 'STRICT')], ...parts })
  }

  /** Connections between the sidecars, as the server sees them. */
  get legs(): number {
    return this.inbound.metrics().connections.inbound
  }

  /** Ends both and proves that they left nothing. */
  async stop(): Promise<void> {
    for (const harness of [this.outbound, this.inbound]) {
      harness.thread.hear({ type: 'close' })
      await harness.quiet()
    }
    await this.outbound.stop()
    await this.inbound.stop()
  }

  /** Waits for a condition that events bring about; says what was missing. */
  async until(condition: () => boolean, what: string): Promise<void> {
    for (let turn = 0; turn < 20_000; turn += 1) {
      if (condition()) return
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.fail(what)
  }
}

export async function startPair(t: TestContext, applicationPort: number): Promise<SidecarPair> {
  const pair = await SidecarPair.start(applicationPort)
  t.after(() => pair.stop())
  return pair
}
