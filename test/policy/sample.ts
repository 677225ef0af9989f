/** YAML text to decoded values through the real doors; what every test of this room starts from. */
import assert from 'node:assert/strict'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import type { Accepted, Decoded, Refused } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'

/** The only object of the text, decoded. */
export function decodeYaml(text: string, file = 'folder/file.yaml'): Decoded {
  const { resources, problems } = readDocuments(text, file)
  assert.deepEqual(problems, [])
  const [raw, ...others] = resources
  assert.ok(raw !== undefined && others.length === 0, 'expected one object')
  return decodeResource(raw, defaultMeshConfig)
}

export function accepted<K extends Accepted['kind']>(kind: K, text: string): Extract<Accepted, { kind: K }> {
  const decoded = decodeYaml(text)
  if (decoded.kind === 'refused') assert.fail(decoded.quarantined.reason)
  assert.equal(decoded.kind, kind)
  return decoded as Extract<Accepted, { kind: K }>
}

export function refused(text: string): Refused {
  const decoded = decodeYaml(text)
  assert.equal(decoded.kind, 'refused')
  return decoded as Refused
}

const groups: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'security.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  Policy: 'authentication.istio.io/v1alpha1',
  MeshPolicy: 'authentication.istio.io/v1alpha1',
  DestinationRule: 'networking.istio.io/v1',
  ServiceEntry: 'networking.istio.io/v1',
  WorkloadEntry: 'networking.istio.io/v1',
  EndpointSlice: 'discovery.k8s.io/v1',
}

/** An object named `name` in namespace `ns` with `spec` written in flow style: `{rules: [{}]}`. */
export function object(kind: string, spec: string, metadata = '{name: name, namespace: ns}'): string {
  return `apiVersion: ${groups[kind] ?? 'v1'}\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`
}

/** A small repeatable generator (mulberry32): the same seed is the same run. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
