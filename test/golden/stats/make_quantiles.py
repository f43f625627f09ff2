"""Makes the golden densities, quantiles and bootstrap intervals: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scipy mpmath numpy && /tmp/v/bin/python make_quantiles.py`.

Densities are their formulas at 320 digits. A quantile is the root, by the secant method on ln x at 60 digits from SciPy's
value, of the distribution function of mpmath at the double p. The intervals of the bootstrap are the formula of NumPy.
"""
import json, os
import numpy as np
from mpmath import mp, mpf
from scipy import special, stats

mp.dps = 320
f = float
half = mpf(1) / 2


def beta_tail(x, y, a, b):
    """The lower tail, by the series that has only positive terms, from whichever side it converges."""
    if x <= half:
        return x ** a * y ** b / a / mp.beta(a, b) * mp.hyp2f1(1, a + b, a + 1, x)
    return 1 - beta_tail(y, x, b, a)


def root(below, above, p, start):
    """below(x) = p, by the logarithm of the smaller tail."""
    p = mpf(p)
    g = (lambda u: mp.log(below(mp.exp(u)) / p)) if p <= half else (lambda u: mp.log(above(mp.exp(u)) / (1 - p)))
    u = mp.log(mpf(start))
    return mp.exp(mp.findroot(g, (u, u + mpf('1e-9')), tol=1e-50, maxsteps=60))


chi_density = lambda x, v: mp.exp((v / 2 - 1) * mp.log(x / 2) - x / 2 - mp.loggamma(v / 2)) / 2
t_density = lambda t, v: mp.exp(mp.loggamma((v + 1) / 2) - mp.loggamma(v / 2) - (v + 1) / 2 * mp.log1p(t * t / v)) / mp.sqrt(v * mp.pi)
f_density = lambda x, v, w: mp.exp(v / 2 * mp.log(v * x / w) - (v + w) / 2 * mp.log1p(v * x / w)) / x / mp.beta(v / 2, w / 2)
ps = [1e-250, 1e-20, .001, .2, .5, .7, .975, 1 - 2 ** -30]
out = dict(
    chiSquareDensity=[[v, x, f(chi_density(mpf(x), mpf(v)))] for v in [.1, 1, 3, 40.5, 1e4, 1e6] for x in [v * .01, v * .8, v, v * 1.3, v + 200]],
    studentTDensity=[[v, t, f(t_density(mpf(t), mpf(v)))] for v in [.1, 1, 3, 40.5, 1e4, 1e8] for t in [0, 1e-12, 1e-3, .8, -2.5, 30, 1e12]],
    fDensity=[[v, w, x, f(f_density(mpf(x), mpf(v), mpf(w)))] for v, w in [(.3, 2), (1, 1), (5, 9.5), (200, 3), (1e4, 1e5)] for x in [1e-9, .3, 1, 1.1, 50]],
    chiSquareQuantile=[], studentTQuantile=[], fQuantile=[], betaQuantile=[])
for v in [.1, 1, 3, 40.5, 1e4]:
    for p in ps:
        s = special.gammaincinv(v / 2, p) * 2
        if s > 1e-290:
            out['chiSquareQuantile'].append([v, p, f(root(lambda x: mp.gammainc(mpf(v) / 2, 0, x / 2, regularized=True), lambda x: mp.gammainc(mpf(v) / 2, x / 2, mp.inf, regularized=True), p, s))])
for v in [.5, 1, 3, 40.5, 1e4]:
    for p in [1e-100, 1e-20, .001, .2, .4999999, .5 + 2 ** -40, .7, .975, 1 - 2 ** -30]:
        q = mpf(p) if p < .5 else 1 - mpf(p)
        tail = lambda t: beta_tail(v / (v + t * t), t * t / (v + t * t), mpf(v) / 2, half) / 2
        s = abs(stats.t.ppf(p, v))
        if 0 < s < 1e250:
            g = lambda u: mp.log((half - tail(mp.exp(u))) / (half - q))
            if q < .1:
                g = lambda u: mp.log(tail(mp.exp(u)) / q)
            u = mp.log(mpf(float(s)))
            out['studentTQuantile'].append([v, p, f(mp.exp(mp.findroot(g, (u, u + mpf('1e-9')), tol=1e-40, maxsteps=60)) * (-1 if p < .5 else 1))])
for v, w in [(.5, 2), (1, 1), (5, 9.5), (200, 3), (1000, 3000)]:
    for p in ps:
        s = stats.f.ppf(p, v, w)
        if 1e-290 < s < 1e290:
            y = lambda x: (v * x / (v * x + w), w / (v * x + w))
            out['fQuantile'].append([v, w, p, f(root(lambda x: beta_tail(*y(x), mpf(v) / 2, mpf(w) / 2), lambda x: beta_tail(*y(x)[::-1], mpf(w) / 2, mpf(v) / 2), p, s))])
            x = y(mpf(out['fQuantile'][-1][-1]))[0]
for a, b in [(.5, .5), (2, 1), (7.5, 93.5), (400, 30)]:
    for p in ps:
        s = special.betaincinv(a, b, p)
        if 1e-290 < s < 1 - 1e-9:
            odds = root(lambda o: beta_tail(o / (1 + o), 1 / (1 + o), mpf(a), mpf(b)), lambda o: beta_tail(1 / (1 + o), o / (1 + o), mpf(b), mpf(a)), p, s / (1 - s))
            out['betaQuantile'].append([a, b, p, f(odds / (1 + odds))])

# The corrected probabilities of BCa, for given replicates and jackknife values.
rng = np.random.default_rng(5)
bca = []
for level in [.9, .95]:
    x = np.round(rng.exponential(size=30), 4)
    replicates = np.sort([x[rng.integers(0, 30, 30)].mean() for _ in range(400)])
    left = np.array([np.delete(x, i).mean() for i in range(30)])
    z0 = special.ndtri((np.sum(replicates < x.mean()) + np.sum(replicates <= x.mean())) / 800)
    d = left.mean() - left
    a = (d ** 3).sum() / (6 * (d ** 2).sum() ** 1.5)
    z = special.ndtri((1 - level) / 2)
    probabilities = [special.ndtr(z0 + (z0 + s) / (1 - a * (z0 + s))) for s in [z, -z]]
    # And SciPy's whole interval, of many resamples, which the seeded one must come close to.
    whole = stats.bootstrap((x,), np.mean, n_resamples=200000, confidence_level=level, method='BCa', random_state=1, vectorized=True, batch=1000).confidence_interval
    plain = stats.bootstrap((x,), np.mean, n_resamples=200000, confidence_level=level, method='percentile', random_state=1, vectorized=True, batch=1000).confidence_interval
    bca.append(dict(level=level, x=x.tolist(), replicates=replicates.tolist(), left=left.tolist(), probabilities=list(map(f, probabilities)), ends=list(map(f, np.quantile(replicates, probabilities))), whole=list(map(f, whole)), plain=list(map(f, plain))))
out['bca'] = bca
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'quantiles.json'), 'w') as file:
    file.write('{\n' + ',\n'.join('"%s":%s' % (name, json.dumps(rows, separators=(',', ':'))) for name, rows in out.items()) + '\n}\n')
