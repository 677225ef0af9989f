/** What the log says of objects that are refused; what becomes of them is decided elsewhere. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { reportConfiguration } from '../../src/cli/report-configuration.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { object, refused } from '../policy/sample.ts'
import { listeningLog } from '../support/mesh-control.ts'

const place = { namespace: 'ns', name: 'name', origin: 'a.yaml:1', reason: 'why', lastGood: false }

function said(quarantine: Parameters<ReturnType<typeof reportConfiguration>>[0]['quarantine']): string[] {
  const log = listeningLog()
  const report = reportConfiguration(log as unknown as Logger)
  report({ quarantine })
  report({ quarantine })
  return log.lines
}

test('a refused object is said to have a stub exactly when it has one, and is named once', () => {
  for (const kind of [
    'AuthorizationPolicy',
    'PeerAuthentication',
    'DestinationRule',
    'Service',
    'ServiceEntry',
    'WorkloadEntry',
    'Endpoints',
    'EndpointSlice',
    'Pod',
  ]) {
    const { stub, quarantined } = refused(object(kind, '{}', '5'))
    const inForce = stub === null ? 'it is left out' : 'its fail-closed stub is in force'
    const [line, ...more] = said([quarantined])
    assert.match(line ?? '', new RegExp(`^warn quarantined ${kind} \\S+: ${inForce} `))
    assert.deepEqual(more, [])
  }
})

test('what is no object is named by its file, and a MeshConfig has no stub', () => {
  const [document] = said([{ ...place, kind: 'Document', namespace: '', name: 'dir/a.yaml' }])
  assert.match(document ?? '', /^warn quarantined a document of dir\/a\.yaml: it is left out /)
  const [mesh] = said([{ ...place, kind: 'MeshConfig' }])
  assert.match(mesh ?? '', /^warn quarantined MeshConfig ns\/name: it is left out /)
  const [good] = said([{ ...place, kind: 'MeshConfig', lastGood: true }])
  assert.match(good ?? '', /: the earlier good version stays in force /)
})
