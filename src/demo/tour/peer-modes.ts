/** PERMISSIVE, STRICT and DISABLE on the frontend, each by editing its file: who is served, and how it was spoken to. */
import { fileNames } from '../configuration/starting-files.ts'
import { peerAuthentication } from '../configuration/peer-authentications.ts'
import type { PeerMode } from '../configuration/peer-authentications.ts'
import { eventually } from '../eventually.ts'
import { callAs } from '../http-call.ts'
import type { RunningMesh } from '../running-mesh.ts'
import { demoPorts } from '../topology.ts'
import { becomes, demand, effectMs, outcomeOf } from './check.ts'
import type { Check } from './check.ts'

export const permissiveServesBoth: Check = {
  name: 'PERMISSIVE: photo-frontend serves plaintext and mutual TLS alike',
  async run(mesh) {
    await becomes(() => plaintext(mesh), 200, 'plaintext to photo-frontend')
    const { identity } = mesh.topology.backend
    demand(
      (await seenCaller(mesh)).includes(identity),
      `a mesh call from ${identity}`,
      await seenCaller(mesh),
    )
    return '200 without, 200 with an identity'
  },
}

export const strictIsLive: Check = {
  name: 'STRICT by an edit: photo-frontend now closes plaintext, the mesh is still served',
  async run(mesh) {
    const { identity } = mesh.topology.backend
    await setMode(mesh, 'STRICT')
    const ms = await becomes(() => plaintext(mesh), 0, 'plaintext to photo-frontend')
    demand(
      (await seenCaller(mesh)).includes(identity),
      `a mesh call from ${identity}`,
      await seenCaller(mesh),
    )
    await mesh.folder.restore(fileNames.frontendMtls)
    await becomes(() => plaintext(mesh), 200, 'plaintext to photo-frontend after the edit was undone')
    return `closed ${ms} ms after the edit`
  },
}

export const disableIsLive: Check = {
  name: 'DISABLE by an edit: photo-frontend is called without TLS, so the caller has no identity',
  async run(mesh) {
    await setMode(mesh, 'DISABLE')
    const { value, wanted, ms } = await eventually(
      () => seenCaller(mesh),
      (caller) => caller === 'null',
      effectMs,
    )
    demand(wanted, `no x-forwarded-client-cert within ${effectMs} ms`, value)
    await becomes(() => plaintext(mesh), 200, 'plaintext to photo-frontend')
    await mesh.folder.restore(fileNames.frontendMtls)
    const { identity } = mesh.topology.backend
    const back = await eventually(
      () => seenCaller(mesh),
      (caller) => caller.includes(identity),
      effectMs,
    )
    demand(back.wanted, `mutual TLS again within ${effectMs} ms`, back.value)
    return `plaintext ${Math.round(ms)} ms after the edit`
  },
}

const setMode = ({ folder, topology }: RunningMesh, mode: PeerMode): Promise<void> =>
  folder.edit(fileNames.frontendMtls, peerAuthentication(topology.frontend, mode))

const plaintext = ({ topology }: RunningMesh) =>
  outcomeOf({ address: topology.frontend.address, port: demoPorts.http, path: '/hello' })

/** What the frontend was told of photo-backend when that called: the certificate line, `null` without one. */
async function seenCaller({ topology }: RunningMesh): Promise<string> {
  const { status, body } = await callAs(topology.backend, `http://${topology.frontend.shortName}/whoami`)
  demand(status === 200, 'photo-backend to reach photo-frontend', `${status} ${body}`)
  return String((JSON.parse(body) as Record<string, unknown>)['x-forwarded-client-cert'])
}
