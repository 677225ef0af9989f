/** Policy edited while it rules: nobody, then GET, then one path; and DENY over ALLOW. Each edit must work at once. */
import { allowMethods, allowPaths, denyAll, denyPaths } from '../configuration/authorization-policies.ts'
import { fileNames } from '../configuration/starting-files.ts'
import type { RunningMesh } from '../running-mesh.ts'
import { becomes } from './check.ts'
import { outcomeAs } from './check.ts'
import type { Check } from './check.ts'

export const denyAllIsLive: Check = {
  name: 'deny-all by an edit: photo-backend refuses its only friend',
  async run(mesh) {
    await replace(mesh, denyAll(mesh.topology.backend))
    return after(await becomes(ask(mesh, 'GET', '/hello'), 403, 'GET /hello under deny-all'))
  },
}

export const getOnlyIsLive: Check = {
  name: 'GET-only by an edit: GET passes, POST does not',
  async run(mesh) {
    await replace(mesh, allowMethods(mesh.topology.backend, ['GET']))
    const ms = await becomes(ask(mesh, 'GET', '/hello'), 200, 'GET /hello under GET-only')
    await becomes(ask(mesh, 'POST', '/hello'), 403, 'POST /hello under GET-only')
    return after(ms)
  },
}

export const suffixIsLive: Check = {
  name: '"*/hello" by an edit: paths that end so pass, others do not',
  async run(mesh) {
    await replace(mesh, allowPaths(mesh.topology.backend, ['*/hello']))
    // POST was refused until now, so its 200 shows the new policy.
    const ms = await becomes(ask(mesh, 'POST', '/hello'), 200, 'POST /hello under "*/hello"')
    await becomes(ask(mesh, 'GET', '/api/hello'), 200, 'GET /api/hello under "*/hello"')
    await becomes(ask(mesh, 'GET', '/hello/more'), 403, 'GET /hello/more under "*/hello"')
    await mesh.folder.restore(fileNames.backendPolicy)
    await becomes(ask(mesh, 'GET', '/hello/more'), 200, 'GET /hello/more after the edit was undone')
    return after(ms)
  },
}

const denyFile = 'deny-admin.yaml'

export const denyBeatsAllow: Check = {
  name: 'DENY beats ALLOW: an allowed caller is refused on a denied path only',
  async run(mesh) {
    await becomes(ask(mesh, 'GET', '/admin/users'), 200, 'GET /admin/users before the DENY')
    await mesh.folder.edit(denyFile, denyPaths(mesh.topology.backend, ['/admin/*']))
    const ms = await becomes(ask(mesh, 'GET', '/admin/users'), 403, 'GET /admin/users under DENY')
    await becomes(ask(mesh, 'GET', '/hello'), 200, 'GET /hello beside the DENY')
    await mesh.folder.restore(denyFile)
    await becomes(ask(mesh, 'GET', '/admin/users'), 200, 'GET /admin/users after the DENY is gone')
    return after(ms)
  },
}

const replace = ({ folder }: RunningMesh, text: string): Promise<void> =>
  folder.edit(fileNames.backendPolicy, text)

const ask =
  ({ topology }: RunningMesh, method: string, path: string) =>
  () =>
    outcomeAs(topology.frontend, `http://${topology.backend.shortName}${path}`, { method })

const after = (ms: number): string => `in force ${ms} ms after the edit`
