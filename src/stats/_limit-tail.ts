/** The logarithm of the moment generating function ln E e^(sX) for Im s ≥ 0, its real and its imaginary part. */
export type LogMoments = (re: number, im: number) => readonly [re: number, im: number]

/** √(x + iy) with y ≥ 0. */
const root = (x: number, y: number): readonly [number, number] => {
  const size = Math.hypot(x, y)
  const re = Math.sqrt((size + Math.abs(x)) / 2)
  const im = re === 0 ? 0 : y / (2 * re)
  return x >= 0 ? [re, im] : [im, re]
}

/** ln of 1 + sign·e^(2iz) with Im z ≥ 0, where its principal value is continuous. */
const logOnePlus = (sign: 1 | -1, re: number, im: number): readonly [number, number] => {
  const size = sign * Math.exp(-2 * im)
  const x = size * Math.cos(2 * re)
  const y = size * Math.sin(2 * re)
  return [Math.log1p(2 * x + size * size) / 2, Math.atan2(y, 1 + x)]
}

/** Σ Zⱼ² / (j π)², the limit of the Cramér–von Mises statistic: E e^(sX) = √(y / sin y), y = √(2s). */
export const cramerVonMisesMoments: LogMoments = (x, y) => {
  const [re, im] = root(2 * x, 2 * y)
  const [logRe, logIm] = logOnePlus(-1, re, im)
  return [(Math.log(Math.hypot(re, im)) - im - logRe + Math.LN2) / 2, (Math.atan2(im, re) + re - logIm - Math.PI / 2) / 2]
}

/** Σ χ²(ν) / (j (j + 1)), the limit of the Anderson–Darling statistic: E e^(sX) = (−2πs / cos z)^(ν/2), z = π √(1 + 8s) / 2. */
export const andersonDarlingMoments = (nu: number): LogMoments => (x, y) => {
  const [rootRe, rootIm] = root(1 + 8 * x, 8 * y)
  const re = (Math.PI / 2) * rootRe
  const im = (Math.PI / 2) * rootIm
  const [logRe, logIm] = logOnePlus(1, re, im)
  return [(nu / 2) * (Math.log(2 * Math.PI * Math.hypot(x, y)) - im - logRe + Math.LN2), (nu / 2) * (Math.atan2(y, x) + re - logIm - Math.PI)]
}

/** The step of the parabola's parameter, as a share of how far away the next pole is: e^(−2π / h) is below 1e-17. */
const step = 0.16
/** Up to this share of the way from the first pole to the one at 0 the next pole is ¼ away. */
const usual = 0.64

/**
 * P(X > x) for a positive quadratic form X of normal variables, whose moment generating function has its first
 * singularity at s = `first` and all others to the right of it.
 *
 * ∫ e^(ln M(s) − sx) / s ds / 2πi along a parabola that wraps the singularities, s = first − μ (1 − iθ)²; its vertex is
 * next to the saddle point, so that the far tail keeps its digits. Good to 1e-12, relative, or x ε where that is more. Some hundred steps, 1/√x for x → 0.
 *
 * Source: Weideman and Trefethen, Mathematics of Computation 76 (2007), for the parabola.
 */
export const limitTail = (x: number, logMoments: LogMoments, first: number): number => {
  if (x < first * 1e-4) return 1
  const height = (mu: number): number => logMoments(first - mu, 0)[0] - (first - mu) * x - Math.log(first - mu)
  const saddle = (): number => {
    let near = first * 1e-9
    let far = first * 0.9999
    for (let turn = 0; turn < 80; turn++) {
      const third = (far - near) / 3
      if (height(near + third) < height(far - third)) far -= third
      else near += third
    }
    return far
  }
  // Next to the pole at 0 steps must be small: only there where the integrand is much too large everywhere else, as for a sum of many variables.
  const mu = height(first * usual) > 1 ? saddle() : Math.min(first * usual, saddle())
  const apart = Math.min(mu, first - mu) / 1000
  const curvature = (height(mu + apart) - 2 * height(mu) + height(mu - apart)) / apart / apart
  // The integrand of a sum of many variables is a narrow bell, e^(−½ (2 μ θ)² · curvature).
  const width = Math.min(step * Math.min(0.25, Math.sqrt(first / mu) - 1), 0.2 / mu / Math.sqrt(curvature))
  let sum = 0
  for (let theta = width / 2; mu * x * theta * theta < 60; theta += width) {
    const re = first - mu + mu * theta * theta
    const im = 2 * mu * theta
    const [logRe, logIm] = logMoments(re, im)
    const size = Math.exp(logRe - re * x) / (re * re + im * im)
    const angle = logIm - im * x
    // (1 − iθ) · conj(s) · e^(i·angle), the real part.
    const real = re - theta * im
    const imaginary = -im - theta * re
    sum += size * (real * Math.cos(angle) - imaginary * Math.sin(angle))
  }
  return Math.max(0, Math.min(1, ((2 * mu) / Math.PI) * width * sum))
}
