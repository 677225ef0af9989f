import { test } from 'node:test'
import assert from 'node:assert/strict'
import { picture, thingsToTry } from '../../src/demo/picture.ts'
import { listeners, topology } from '../../src/demo/topology.ts'

const places = topology('127.254.254')

test('the picture fits a terminal, names every address, and its boxes are straight', () => {
  const lines = picture(places).split('\n')
  assert.ok(lines.every((line) => line.length <= 110))
  for (const { address } of places.tiers) assert.ok(lines.some((line) => line.includes(address)))
  assert.equal(new Set(lines.slice(0, 9).map((line) => line.length)).size, 1)
})

test('every address in the lines to copy is one that somebody listens on', () => {
  const text = thingsToTry(places, '/folder/config')
  const known = new Set(listeners(places).map(({ address, port }) => `${address}:${port}`))
  const named = [...text.matchAll(/127\.254\.254\.\d+:\d+/g)].map(([place]) => place)
  assert.ok(named.length >= 7)
  for (const place of named) assert.ok(known.has(place), place)
})

test('the rules to edit are in the folder that is in force', () => {
  assert.match(thingsToTry(places, '/folder/config'), / \/folder\/config\/allow-photo-backend\.yaml/)
})
