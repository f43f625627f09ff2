/** What the requests of the killed service are: the same in the service and in the reference. */
const mixed = (n: number): number => Math.imul((n + 1) ^ ((n + 1) >>> 7), 0x9e3779b1) >>> 8

/** Units come again and again. */
export const unitOf = (n: number): string => `unit-${mixed(n) % 151}`
export const fails = (scene: 'good' | 'broken', arm: 'control' | 'candidate', n: number): boolean => mixed(n * 31 + 7) % 100 < (arm === 'control' || scene === 'good' ? 6 : 60)
export const isHit = (n: number): boolean => mixed(n * 17 + 3) % 10 < 7
