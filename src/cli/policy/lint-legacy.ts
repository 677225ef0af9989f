/** What an operator should know of legacy policies besides what they come to in the API of today: doubts, no errors. */
import { warning } from './finding.ts'
import type { Finding } from './finding.ts'
import { isWide, legacyPlaces } from './legacy-place.ts'
import type { PolicyFolder } from './load-policy-folder.ts'

export function lintLegacy(folder: PolicyFolder): Finding[] {
  const { config, state } = folder
  const found: Finding[] = []
  for (const { policy } of state.legacy.values()) {
    const { meta, scope, origins } = policy
    const kind = scope === 'mesh' ? 'MeshPolicy' : 'Policy'
    if (config.mesh.pathNormalization !== 'STRICT' && origins.some(({ triggers }) => triggers.length > 0))
      found.push(
        warning(
          'path-without-strict',
          kind,
          meta,
          `trigger rules are asked of paths with pathNormalization ${config.mesh.pathNormalization}, not STRICT: servers may read a path otherwise`,
        ),
      )
  }
  return [...found, ...twice(folder)]
}

/** Of two policies for one port of the same workloads the older decides; whoever wrote the other should know. */
function twice(folder: PolicyFolder): Finding[] {
  return legacyPlaces(folder).flatMap((place) => {
    if (isWide(place)) return []
    return place.placed.flatMap(({ policy, attachment }, index) => {
      const earlier = place.placed
        .slice(0, index)
        .find(
          (other) =>
            other.policy !== policy &&
            other.attachment.rank === attachment.rank &&
            (attachment.ports ?? []).some((port) => other.attachment.ports?.includes(port) === true),
        )
      if (earlier === undefined) return []
      const message = `is about the same workloads and ports as ${earlier.name}: the older one decides`
      return [warning('legacy-twice', 'Policy', policy.meta, message)]
    })
  })
}
