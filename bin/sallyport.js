#!/usr/bin/env node
// The installed package runs what `npm run build` made; a checkout runs the sources by type stripping.
import { existsSync } from 'node:fs'
const built = new URL('../dist/main.js', import.meta.url)
await import(existsSync(built) ? built.href : new URL('../src/main.ts', import.meta.url).href)
