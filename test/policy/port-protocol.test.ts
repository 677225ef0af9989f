/** Declared port protocols (dataplane §8.3). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { portProtocol } from '../../src/policy/port-protocol.ts'

test('appProtocol goes before the name, the name before the number', () => {
  const cases: [string | null, string, number, string][] = [
    [null, 'http', 80, 'http'],
    [null, 'http-web', 80, 'http'],
    [null, 'HTTP2-x', 80, 'http2'],
    [null, 'grpc', 80, 'grpc'],
    [null, 'grpc-web', 80, 'grpc'],
    [null, 'grpc-web-x', 80, 'grpc'],
    [null, 'https', 443, 'tls'],
    [null, 'tls-x', 443, 'tls'],
    [null, 'tcp', 80, 'tcp'],
    [null, 'mysql-db', 80, 'tcp'],
    [null, 'redis', 80, 'tcp'],
    [null, 'mongo', 80, 'tcp'],
    [null, 'httpfoo', 80, 'auto'],
    [null, '', 80, 'auto'],
    [null, 'web', 3306, 'tcp'],
    [null, '', 25, 'tcp'],
    [null, '', 53, 'tcp'],
    [null, '', 27017, 'tcp'],
    [null, 'http', 3306, 'http'],
    ['kubernetes.io/h2c', 'tcp', 80, 'http2'],
    ['kubernetes.io/ws', '', 80, 'http'],
    ['kubernetes.io/wss', '', 80, 'tls'],
    ['http', 'tcp', 80, 'http'],
    ['example.com/strange', 'http', 80, 'auto'],
    ['', 'http', 80, 'http'],
    [null, 'constructor', 80, 'auto'],
  ]
  for (const [app, name, number, expected] of cases) {
    assert.equal(portProtocol(app, name, number), expected, `${app} ${name} ${number}`)
  }
})
