/**
 * Legacy policies as objects of the API of today, for whoever leaves them behind; and where the two cannot say the same.
 * What is proposed never lets in what the policy keeps out, unless a finding says that it differs.
 */
import { objectName, warning } from './finding.ts'
import type { Finding, FindingKind } from './finding.ts'
import { isWide, legacyPlaces, mayMeet, policiesAt } from './legacy-place.ts'
import type { LegacyPlace, Placed } from './legacy-place.ts'
import { tokenObjects } from './legacy-tokens.ts'
import type { PolicyFolder } from './load-policy-folder.ts'
import { asksForPrincipal, asksForToken } from './rule-facts.ts'
import type { LegacyPolicy } from '../../policy/legacy-policy.ts'
import { narrowest } from '../../policy/legacy-scope.ts'
import type { PortProtocol } from '../../policy/service.ts'

type Plain = Readonly<Record<string, unknown>>

export interface ProposedObject {
  /** The legacy policies it stands for. */
  readonly from: readonly string[]
  readonly object: Plain
}

export interface LegacyEquivalent {
  readonly objects: readonly ProposedObject[]
  readonly findings: readonly Finding[]
}

export function legacyEquivalent(folder: PolicyFolder): LegacyEquivalent {
  return new Proposal(folder).make()
}

/** Whose word counts on a port, of those that select the same workloads. */
function winnerAt(placed: readonly Placed[], port: number): LegacyPolicy | null {
  const scoped = placed.map(({ policy, attachment }) => ({
    policy,
    meta: policy.meta,
    selector: attachment.selector,
    legacy: attachment,
  }))
  return narrowest(scoped, port)?.policy ?? null
}

const opaque: readonly PortProtocol[] = ['tcp', 'tls']

class Proposal {
  readonly #folder: PolicyFolder
  readonly #places: readonly LegacyPlace[]
  readonly #objects: ProposedObject[] = []
  readonly #findings = new Map<string, Finding>()
  readonly #names = new Set<string>()

  constructor(folder: PolicyFolder) {
    this.#folder = folder
    this.#places = legacyPlaces(folder)
    for (const { raw } of folder.state.entries)
      this.#names.add(`${raw.kind} ${raw.meta.namespace}/${raw.meta.name}`)
  }

  make(): LegacyEquivalent {
    for (const place of this.#places) {
      this.#peers(place)
      for (const placed of place.placed) this.#tokens(place, placed)
    }
    return { objects: this.#objects, findings: [...this.#findings.values()] }
  }

  #peers(place: LegacyPlace): void {
    const told = place.placed.filter(({ attachment }) => attachment.quarantined === null)
    for (const placed of place.placed)
      if (!told.includes(placed))
        this.#say('legacy-differs', placed, 'it is refused: nothing is proposed for it')
    if (told.length === 0 || this.#peersOutOfForce(place, told)) return
    const modeAt = (port: number): Plain => ({ mode: winnerAt(told, port)?.mode })
    if (isWide(place)) return this.#propose('PeerAuthentication', place, told, { mtls: modeAt(0) })
    this.#warnOfPeers(place, told)
    const ports = [...new Set(told.flatMap(({ attachment }) => attachment.ports ?? []))].toSorted(
      (x, y) => x - y,
    )
    this.#propose('PeerAuthentication', place, told, {
      selector: { matchLabels: place.selector },
      portLevelMtls: Object.fromEntries(ports.map((port) => [port, modeAt(port)])),
    })
  }

  /** Whether a modern object speaks for the whole place. */
  #peersOutOfForce(place: LegacyPlace, told: readonly Placed[]): boolean {
    const { peerAuthentications, mesh } = this.#folder.config
    let whole = false
    for (const { legacy, meta, selector } of peerAuthentications) {
      const rank = meta.namespace === mesh.rootNamespace ? 'mesh' : 'namespace'
      // With a selector in the root namespace it is out of force itself.
      if (legacy !== null || (rank === 'mesh' && selector !== null)) continue
      if (!mayMeet(place, { namespace: meta.namespace, rank, selector })) continue
      const wholly = selector === null && (rank === 'mesh' || place.rank !== 'mesh')
      const name = objectName('PeerAuthentication', meta)
      for (const placed of told) {
        const where = wholly ? 'here' : 'where it selects'
        this.#say('legacy-out-of-force', placed, `its peers are out of force ${where}: ${name}`)
        if (!wholly) this.#say('legacy-differs', placed, `${name} would inherit from what is proposed`)
      }
      whole ||= wholly
    }
    return whole
  }

  #warnOfPeers(place: LegacyPlace, told: readonly Placed[]): void {
    const meeting = this.#places.filter((other) => other !== place && mayMeet(place, other))
    const rival = meeting.some((other) => !isWide(other))
    const open = meeting.some(
      (other) => isWide(other) && other.placed.some(({ policy }) => policy.mode === 'DISABLE'),
    )
    for (const placed of told) {
      if (rival)
        this.#say(
          'legacy-differs',
          placed,
          'its workloads may be selected by another policy too, and of two PeerAuthentications one counts',
        )
      if (open && placed.policy.mode !== 'DISABLE')
        this.#say(
          'legacy-differs',
          placed,
          'clients look at the PeerAuthentication of the namespace first: DISABLE there makes them speak plaintext here',
        )
    }
  }

  #tokens(place: LegacyPlace, placed: Placed): void {
    const { policy, attachment } = placed
    if (attachment.quarantined !== null) return
    this.#binding(place, placed)
    if (policy.origins.length === 0 || this.#outOfForce(place, placed)) return
    const { selector } = place
    const others = this.#places
      .filter((other) => mayMeet(place, other))
      .flatMap((other) => other.placed)
      .filter((other) => other.policy !== policy)
    const shared = others.some((other) => other.policy.origins.length > 0)
    const won = attachment.ports?.filter((port) => winnerAt(place.placed, port) === policy) ?? null
    if (won?.length === 0) return
    const ports = won?.filter((port) => !opaque.includes(this.#protocolOf(place, port))) ?? null
    const made = tokenObjects(policy, { selector, ports, shared })
    const stricter = [...made.stricter]
    if (policy.origins.some(({ triggers }) => triggers.length > 0))
      stricter.push('a token is looked at on every path: a bad one is refused where no trigger rule fires')
    if (attachment.ports !== null)
      stricter.push(
        'a token is looked at on every port of these workloads: a bad one is refused on the others too',
      )
    if (policy.demand === 'optional')
      stricter.push('a bad token is refused, not let through without identity')
    if (made.authorization !== null && ports === null && this.#hasOpaquePorts(place))
      stricter.push('ports declared TCP or TLS are closed by the DENY as well: give it the ports of HTTP')
    const asked = policiesAt(this.#folder, place).some(asksForToken)
    for (const what of stricter) this.#say(asked ? 'legacy-differs' : 'legacy-stricter', placed, what)
    if (others.length > 0 && (shared || isWide(place)))
      this.#say(
        'legacy-differs',
        placed,
        'modern objects add up where legacy ones override: workloads of the narrower policy come under both',
      )
    const issuers = policy.origins.map(({ issuer }) => issuer)
    if (asked && issuers.join('\n') !== issuers.toSorted().join('\n'))
      this.#say(
        'legacy-differs',
        placed,
        'of two valid tokens the one of the first issuer by name is the identity, not the first in the list',
      )
    this.#propose('RequestAuthentication', place, [placed], made.authentication)
    if (made.authorization !== null) this.#propose('AuthorizationPolicy', place, [placed], made.authorization)
  }

  /** Whether a modern object has put the origins out of force at the whole place. */
  #outOfForce(place: LegacyPlace, placed: Placed): boolean {
    const { config } = this.#folder
    const root = config.mesh.rootNamespace
    let whole = false
    for (const { legacy, meta, selector, targetsGateway, jwtRules } of config.requestAuthentications) {
      const rank = meta.namespace === root ? 'mesh' : 'namespace'
      if (legacy !== null || targetsGateway || jwtRules.length === 0) continue
      if (!mayMeet(place, { namespace: meta.namespace, rank, selector })) continue
      const wholly = selector === null && (rank === 'mesh' || place.rank !== 'mesh')
      const name = objectName('RequestAuthentication', meta)
      this.#say(
        'legacy-out-of-force',
        placed,
        `its origins are out of force ${wholly ? 'here' : 'where it selects'}: ${name}`,
      )
      if (!wholly) this.#say('legacy-differs', placed, `${name} would add up with what is proposed`)
      whole ||= wholly
    }
    return whole
  }

  #binding(place: LegacyPlace, placed: Placed): void {
    if (placed.policy.binding !== 'USE_PEER' || !policiesAt(this.#folder, place).some(asksForPrincipal))
      return
    this.#say(
      'legacy-differs',
      placed,
      'USE_PEER: request principals are the names of peers here, and of tokens in the API of today',
    )
  }

  #protocolOf({ namespace, selector }: LegacyPlace, port: number): PortProtocol {
    const wanted = JSON.stringify(selector)
    for (const { decoded } of this.#folder.state.entries) {
      if (decoded.kind !== 'Service' || decoded.value.meta.namespace !== namespace) continue
      if (JSON.stringify(decoded.value.selector) !== wanted) continue
      const found = decoded.value.ports.find(({ target }) => target === port)
      if (found !== undefined) return found.protocol
    }
    return 'auto'
  }

  #hasOpaquePorts({ rank, namespace }: LegacyPlace): boolean {
    return this.#folder.config.services.some(
      ({ meta, ports }) =>
        (rank === 'mesh' || meta.namespace === namespace) &&
        ports.some(({ protocol }) => opaque.includes(protocol)),
    )
  }

  #propose(kind: string, { namespace }: LegacyPlace, of: readonly Placed[], spec: Plain): void {
    const base = of[0]?.policy.meta.name ?? 'legacy'
    let name = base
    for (let n = 2; this.#names.has(`${kind} ${namespace}/${name}`); n++) name = `${base}-${n}`
    this.#names.add(`${kind} ${namespace}/${name}`)
    const object = { apiVersion: 'security.istio.io/v1', kind, metadata: { name, namespace }, spec }
    this.#objects.push({ from: [...new Set(of.map((placed) => placed.name))], object })
  }

  /** Once for each policy, at however many places. */
  #say(kind: FindingKind, { name, policy }: Placed, message: string): void {
    const what = name.slice(0, name.indexOf(' '))
    this.#findings.set(`${kind} ${name} ${message}`, warning(kind, what, policy.meta, message))
  }
}
