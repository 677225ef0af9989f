/**
 * The kinds of objects that are distributed, with their names on the wire (dataplane §10.4), in the order in which they
 * are pushed: what others refer to first, what forbids last. It encodes nothing.
 */
import {
  authorizationPolicyShape,
  destinationRuleShape,
  legacyPolicyShape,
  meshConfigShape,
  peerAuthenticationShape,
  requestAuthenticationShape,
  serviceEntryShape,
  type Shape,
} from './message-shape.ts'

export interface ResourceType {
  /** The bare triple that requests and responses carry as type_url. */
  readonly typeUrl: string
  readonly apiVersion: string
  readonly kind: string
  /** File in `proto/`. */
  readonly file: string
  /** Full name of the body's message. */
  readonly message: string
  readonly shape: Shape
}

const security = { apiVersion: 'security.istio.io/v1', file: 'istio-security.proto' }
const networking = { apiVersion: 'networking.istio.io/v1', file: 'istio-networking.proto' }

const legacy = {
  apiVersion: 'authentication.istio.io/v1alpha1',
  file: 'istio-authentication.proto',
  message: 'istio.authentication.v1alpha1.Policy',
  shape: legacyPolicyShape,
}

export const meshConfigType: ResourceType = {
  typeUrl: 'core/v1alpha1/MeshConfig',
  // As in a folder's mesh.yaml: the object is the bare spec.
  apiVersion: '',
  kind: 'MeshConfig',
  file: 'istio-mesh.proto',
  message: 'istio.mesh.v1alpha1.MeshConfig',
  shape: meshConfigShape,
}
export const serviceEntryType: ResourceType = {
  ...networking,
  typeUrl: 'networking.istio.io/v1/ServiceEntry',
  kind: 'ServiceEntry',
  message: 'istio.networking.v1alpha3.ServiceEntry',
  shape: serviceEntryShape,
}
export const destinationRuleType: ResourceType = {
  ...networking,
  typeUrl: 'networking.istio.io/v1/DestinationRule',
  kind: 'DestinationRule',
  message: 'istio.networking.v1alpha3.DestinationRule',
  shape: destinationRuleShape,
}
export const peerAuthenticationType: ResourceType = {
  ...security,
  typeUrl: 'security.istio.io/v1/PeerAuthentication',
  kind: 'PeerAuthentication',
  message: 'istio.security.v1beta1.PeerAuthentication',
  shape: peerAuthenticationShape,
}
export const requestAuthenticationType: ResourceType = {
  ...security,
  typeUrl: 'security.istio.io/v1/RequestAuthentication',
  kind: 'RequestAuthentication',
  message: 'istio.security.v1beta1.RequestAuthentication',
  shape: requestAuthenticationShape,
}
export const meshPolicyType: ResourceType = {
  ...legacy,
  typeUrl: 'authentication.istio.io/v1alpha1/MeshPolicy',
  kind: 'MeshPolicy',
}
export const policyType: ResourceType = {
  ...legacy,
  typeUrl: 'authentication.istio.io/v1alpha1/Policy',
  kind: 'Policy',
}
export const authorizationPolicyType: ResourceType = {
  ...security,
  typeUrl: 'security.istio.io/v1/AuthorizationPolicy',
  kind: 'AuthorizationPolicy',
  message: 'istio.security.v1beta1.AuthorizationPolicy',
  shape: authorizationPolicyShape,
}

export const resourceTypes: readonly ResourceType[] = [
  meshConfigType,
  serviceEntryType,
  destinationRuleType,
  peerAuthenticationType,
  requestAuthenticationType,
  meshPolicyType,
  policyType,
  authorizationPolicyType,
]
