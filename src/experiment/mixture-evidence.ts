import { normalCumulative } from '../stats/normal.js'

/**
 * ln of the one-sided normal mixture: the e-value of a z-statistic, asymptotically valid at every look.
 *
 * (2 / √(1 + r)) · exp(z²r / (2(1 + r))) · Φ(z√(r / (1 + r))), where r = n·ρ² is the information against that of the mixture.
 *
 * Source: Robbins (1970); Waudby-Smith et al. (2024), arXiv 2103.06476, for the asymptotic form.
 */
export const mixtureEvidence = (z: number, information: number): number => {
  if (!(information > 0) || Number.isNaN(z)) return 0
  const share = information / (1 + information)
  return Math.LN2 - Math.log1p(information) / 2 + (z * z * share) / 2 + Math.log(normalCumulative(z * Math.sqrt(share)))
}

/** ρ² for which the interval is narrowest after about so many units. */
export const mixtureFor = (units: number, alpha: number): number => (-2 * Math.log(alpha) + Math.log(-2 * Math.log(alpha) + 1)) / units
