/** The recorded series of an objective: their names, for the rules that write them and the dashboard that reads them. */
import type { Objective } from './objective.js'

/** A duration as Prometheus writes it. */
export const rangeOf = (ms: number): string => {
  for (const [unit, size] of [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]] as const) if (ms % size === 0) return `${ms / size}${unit}`
  return `${Math.round(ms)}ms`
}

/** A number without the noise of binary fractions. */
export const decimal = (value: number): string => String(Number(value.toPrecision(12)))

/** Labels of a selector, in the order given. */
export const matchersOf = (labels: Readonly<Record<string, string>>): string[] => Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)

export const recorded = {
  badRatio: (ms: number): string => `ml_slo:bad:ratio_rate${rangeOf(ms)}`,
  badCount: (ms: number): string => `ml_slo:bad:increase${rangeOf(ms)}`,
  objective: 'ml_slo:objective:ratio',
}

/** The labels of an objective's recorded series and alerts. */
export const sloLabels = (source: string, { name }: Objective): Readonly<Record<string, string>> => ({ ml_slo: name, service: source })

/** A recorded series of an objective. */
export const series = (record: string, labels: Readonly<Record<string, string>>): string => `${record}{${matchersOf(labels).join(',')}}`
