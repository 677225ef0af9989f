/** The summary as a bar chart in SVG: CPU with everything on, one panel each for pair, single side and TCP. Pure. */
import type { ContenderName, Mode } from '../options.ts'
import type { Line } from './summary.ts'

const colors: Readonly<Record<ContenderName, string>> = {
  ours: '#2563eb',
  nginx: '#16a34a',
  haproxy: '#d97706',
  envoy: '#a855f7',
}
const titles: Readonly<Record<Mode, string>> = {
  pair: 'Pair: CPU µs a request, both proxies',
  single: 'Inbound side: CPU µs a request',
  tcp: 'TCP through the pair: CPU s a GiB',
}
const bar = 30
const gap = 22
const plotHeight = 170
const left = 24
const panelHeight = plotHeight + 78

/** `caption` says machine, versions and date. */
export function chart(lines: readonly Line[], caption: string): string {
  const shown = lines.filter(({ settings, faults }) => settings === 'on' && faults.length === 0)
  const modes = (['pair', 'single', 'tcp'] as const).filter((mode) =>
    shown.some((line) => line.mode === mode),
  )
  const panels = modes.map((mode, i) =>
    panel(
      mode,
      shown.filter((line) => line.mode === mode),
      56 + i * panelHeight,
    ),
  )
  const width = Math.max(640, ...panels.map((one) => one.width))
  const height = 56 + modes.length * panelHeight + 26
  const names = [...new Set(shown.map(({ contender }) => contender))]
  const legend = names.map((name, i) => {
    const x = left + i * 110
    return `<rect x="${x}" y="30" width="12" height="12" fill="${colors[name]}"/>${label(x + 18, 40, name, 'start')}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="20" font-size="15" font-weight="600" fill="#111827">mTLS both sides, policy, access log, XFCC, request id: lower is better</text>`,
    ...legend,
    ...panels.map(({ svg }) => svg),
    label(left, height - 10, caption, 'start', '#6b7280'),
    '</svg>\n',
  ].join('\n')
}

function panel(mode: Mode, lines: readonly Line[], top: number): { svg: string; width: number } {
  const most = Math.max(...lines.map(({ cpu }) => cpu))
  const base = top + 34 + plotHeight
  const parts = [`<text x="${left}" y="${top + 16}" font-weight="600" fill="#111827">${titles[mode]}</text>`]
  let x = left
  for (const [connections, group] of Map.groupBy(lines, (line) => line.connections)) {
    const start = x
    for (const { contender, cpu } of group) {
      const height = Math.max(1, (cpu / most) * (plotHeight - 16))
      const title = `<title>${contender}: ${number(mode, cpu)}</title>`
      parts.push(
        `<rect x="${x}" y="${(base - height).toFixed(1)}" width="${bar - 3}" height="${height.toFixed(1)}" fill="${colors[contender]}">${title}</rect>`,
        label(x + (bar - 3) / 2, base - height - 4, number(mode, cpu), 'middle', '#374151', 10),
      )
      x += bar
    }
    const under = mode === 'tcp' ? 'one stream' : `c = ${connections}`
    parts.push(label((start + x) / 2, base + 16, under, 'middle'))
    x += gap
  }
  parts.push(`<line x1="${left}" y1="${base}" x2="${x - gap}" y2="${base}" stroke="#9ca3af"/>`)
  return { svg: parts.join('\n'), width: x + left }
}

const number = (mode: Mode, cpu: number): string => cpu.toFixed(mode === 'tcp' ? 2 : 0)

function label(x: number, y: number, text: string, anchor: string, fill = '#374151', size = 12): string {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}" font-size="${size}">${safe}</text>`
}
