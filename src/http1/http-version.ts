/**
 * Reads `HTTP/1.0` and `HTTP/1.1` (RFC 9112 §2.3) where they must stand. Other versions are recognised only to be
 * refused by their own status.
 */
import { NeedMore, Refused } from './field-section.ts'

const slash = [0x48, 0x54, 0x54, 0x50, 0x2f]

/** Bytes of a version. */
export const versionLength = 8
/** Well formed, but not 1.0 or 1.1. */
export const Unsupported = -3

/** 10 or 11, or NeedMore, Refused or Unsupported. */
export function readVersion(bytes: Buffer, at: number, end: number): number {
  for (let i = 0; i < 5; i++) {
    if (at + i >= end) return NeedMore
    if (bytes[at + i] !== slash[i]) return Refused
  }
  if (at + 5 >= end) return NeedMore
  const major = (bytes[at + 5] as number) - 0x30
  if (major < 0 || major > 9) return Refused
  if (at + 6 >= end) return NeedMore
  if (bytes[at + 6] !== 0x2e) return Refused
  if (at + 7 >= end) return NeedMore
  const minor = (bytes[at + 7] as number) - 0x30
  if (minor < 0 || minor > 9) return Refused
  return major === 1 && minor <= 1 ? 10 + minor : Unsupported
}
