/** IP addresses as four 32-bit words; text only at the edge. IPv4-mapped IPv6 is IPv4 here (dataplane trap 40). */
export interface Ip {
  readonly family: 4 | 6
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
}
