#!/usr/bin/env -S node --single-threaded-gc --max-semi-space-size=4
// One data thread and a small heap: helper threads for collections cost more than they save (docs/decisions/0008).
// The installed package runs what `npm run build` made; a checkout runs the sources by type stripping.
import { existsSync } from 'node:fs'
const built = new URL('../dist/main.js', import.meta.url)
await import(existsSync(built) ? built.href : new URL('../src/main.ts', import.meta.url).href)
