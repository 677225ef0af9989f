/** Ties the admin and readiness endpoints of a sidecar to what they show: each page is a view read when asked. */
import { X509Certificate } from 'node:crypto'
import { configDump, json } from '../admin/config-dump.ts'
import { startAdmin, startReadiness } from '../admin/admin-server.ts'
import type { Page } from '../admin/admin-server.ts'
import type { Readiness } from '../admin/readiness.ts'
import type { SidecarSettings } from '../bootstrap/sidecar-settings.ts'
import type { WorkerPool } from '../dataplane/worker-pool.ts'
import type { ConfigSource } from '../discovery/config-source.ts'
import type { SecretSet } from '../identity/svid.ts'
import { systemClock } from '../lifecycle/clock.ts'
import type { Latest } from '../lifecycle/latest.ts'
import type { KeySets } from '../jwt/key-source.ts'
import type { AccessLogSink } from './access-log-sink.ts'
import type { DecisionLogSink } from './decision-log-sink.ts'
import { explainPage } from './explain-page.ts'
import type { SidecarMetrics } from './sidecar-metrics.ts'

export interface SidecarViews {
  readonly settings: SidecarSettings
  readonly readiness: Readiness
  readonly workers: WorkerPool
  readonly config: ConfigSource
  readonly secrets: Latest<SecretSet>
  readonly accessLog: AccessLogSink
  readonly decisionLog: DecisionLogSink
  /** What was fetched of issuers' keys. */
  readonly keys: () => KeySets
  readonly quit: () => void
  readonly drain: () => void
}

/** Resolves with a thing that closes both endpoints. */
export async function serveAdmin(views: SidecarViews): Promise<{ close(): Promise<void> }> {
  const { settings, readiness, config, secrets, workers } = views
  readiness.holds('certificate', () => expiryOf(secrets.value, systemClock.now()))
  // Made at the first scrape: a sidecar nobody scrapes does not carry the library.
  let metrics: Promise<SidecarMetrics> | null = null
  const scraped = (): Promise<SidecarMetrics> =>
    (metrics ??= import('./sidecar-metrics.ts').then(({ sidecarMetrics }) => sidecarMetrics(views)))
  const pages = {
    '/config_dump': () => configDump(config.snapshots.value ?? null, settings, { names: secretNames(views) }),
    '/certs': () => json(certificates(secrets.value)),
    '/clusters': async () =>
      json((await workers.ask('clusters')).map((clusters, thread) => ({ thread, clusters }))),
    '/explain': (query: URLSearchParams) => explainPage(query, workers, settings.dataplane.decisions),
    '/config_status': () =>
      json({
        ...config.status(),
        generation: workers.generation,
        quarantine: config.snapshots.value?.quarantine ?? [],
        warnings: config.state?.warnings ?? [],
        ignored: config.state?.ignored ?? [],
      }),
    '/stats/prometheus': async (): Promise<Page> => {
      const { contentType, render } = await scraped()
      return { contentType, body: await render() }
    },
  }
  const admin = await startAdmin(settings.admin, readiness, pages, { quit: views.quit, drain: views.drain })
  try {
    const status = await startReadiness(settings.status, readiness)
    return { close: () => Promise.all([admin.close(), status.close()]).then(() => undefined) }
  } catch (error) {
    await admin.close()
    throw error
  }
}

/** Why the certificate in force is none any more: mutual TLS is refused both ways then. */
export function expiryOf(secrets: SecretSet | undefined, now: number): string | null {
  if (secrets === undefined || secrets.certificateChain === '') return null
  const { validToDate } = new X509Certificate(secrets.certificateChain)
  return now <= validToDate.getTime() ? null : `expired at ${validToDate.toISOString()}`
}

function secretNames({ settings, secrets }: SidecarViews): string[] {
  const { certificate, bundle } = settings.sdsNames
  return secrets.value === undefined ? [] : [certificate, bundle]
}

/** Certificates are public; the key is not even named. */
function certificates(secrets: SecretSet | undefined): unknown {
  if (secrets === undefined) return { certificate: null, trust_bundles: {} }
  return {
    certificate: describe(secrets.certificateChain),
    trust_bundles: Object.fromEntries(
      Object.entries(secrets.trustBundles).map(([domain, pem]) => [domain, describe(pem)]),
    ),
  }
}

function describe(pem: string): unknown[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => {
    const { subjectAltName, serialNumber, validFrom, validTo, fingerprint256 } = new X509Certificate(block)
    return {
      subject_alt_name: subjectAltName ?? '',
      serial: serialNumber,
      valid_from: validFrom,
      valid_to: validTo,
      sha256: fingerprint256,
    }
  })
}
