/**
 * Cuts the certificates out of PEM text as DER. It judges none of them and never reads private keys.
 */

/** Text beyond this is not a bundle but an attack or a mistake. */
const maximumText = 4 * 1024 * 1024

/** DER of every CERTIFICATE block in order; a block that is not base64 reads as an empty Buffer, to be counted as bad. */
export function certificatesIn(pem: string): Buffer[] {
  if (pem.length > maximumText) return []
  const found: Buffer[] = []
  const begin = '-----BEGIN CERTIFICATE-----'
  const end = '-----END CERTIFICATE-----'
  for (let at = pem.indexOf(begin); at >= 0;) {
    const from = at + begin.length
    const next = pem.indexOf(begin, from)
    const stop = pem.indexOf(end, from)
    if (stop < 0 || (next >= 0 && next < stop)) found.push(Buffer.alloc(0))
    else found.push(decode(pem.slice(from, stop)))
    at = next
  }
  return found
}

export function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function decode(body: string): Buffer {
  const text = body.replace(/[ \t\r\n]+/g, '')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0
    ? Buffer.from(text, 'base64')
    : Buffer.alloc(0)
}
