/** What keeps the demo from starting or running, as one line to the user. Failed checks are not errors: they are printed. */
import { MeshError } from '../error.ts'

export class DemoError extends MeshError<'ERR_DEMO_ADDRESS' | 'ERR_DEMO_PROCESS' | 'ERR_DEMO_LATE'> {}
