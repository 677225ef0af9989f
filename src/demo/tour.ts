/**
 * The guided tour: every claim of the demo in an order that tells a story, each found true or not on the running mesh.
 * It prints a line each and knows nothing of how a claim is tested.
 */
import type { RunningMesh } from './running-mesh.ts'
import { CheckFailed } from './tour/check.ts'
import type { Check } from './tour/check.ts'
import { bothSidesKnowEachOther, certificatesNameTheirWorkload } from './tour/identities.ts'
import { denyAllIsLive, denyBeatsAllow, getOnlyIsLive, suffixIsLive } from './tour/live-policy.ts'
import { disableIsLive, permissiveServesBoth, strictIsLive } from './tour/peer-modes.ts'
import { dryRunIsNoted } from './tour/dry-run.ts'
import { refusalIsExplained } from './tour/explanation.ts'
import { misspeltPolicyFailsClosed, noiseIsNamed } from './tour/quarantine.ts'
import { rotationIsUnnoticed } from './tour/rotation.ts'
import { wrongIdentityIsRefused } from './tour/secure-naming.ts'
import {
  allowedCallPasses,
  chainPasses,
  forbiddenCallIsRefused,
  strangersAreClosed,
} from './tour/starting-policy.ts'
import { tcpIsCarried } from './tour/tcp-echo.ts'
import { tokensAreVerified } from './tour/tokens.ts'
import { tapReadsPlaintext, wireIsEncrypted } from './tour/wire.ts'

export const tour: readonly Check[] = [
  certificatesNameTheirWorkload,
  allowedCallPasses,
  bothSidesKnowEachOther,
  chainPasses,
  forbiddenCallIsRefused,
  wireIsEncrypted,
  tapReadsPlaintext,
  wrongIdentityIsRefused,
  strangersAreClosed,
  permissiveServesBoth,
  strictIsLive,
  disableIsLive,
  denyAllIsLive,
  getOnlyIsLive,
  suffixIsLive,
  denyBeatsAllow,
  tokensAreVerified,
  dryRunIsNoted,
  refusalIsExplained,
  tcpIsCarried,
  noiseIsNamed,
  misspeltPolicyFailsClosed,
  rotationIsUnnoticed,
]

/** Walks all checks, whatever fails on the way; resolves with how many failed. */
export async function walk(mesh: RunningMesh, print: (line: string) => void, checks = tour): Promise<number> {
  let failed = 0
  for (const check of checks) {
    const start = performance.now()
    const took = (): string => `${Math.round(performance.now() - start)} ms`
    try {
      const seen = await check.run(mesh)
      print(`✓ ${check.name} (${took()})\n    ${seen}`)
    } catch (error) {
      failed += 1
      // What the check left behind must not fail those after it.
      await mesh.folder.restoreAll()
      const [expected, seen] =
        error instanceof CheckFailed ? [error.expected, error.seen] : ['no surprise', String(error)]
      print(`✗ ${check.name} (${took()})\n    expected: ${expected}\n    seen: ${seen}`)
    }
  }
  return failed
}
