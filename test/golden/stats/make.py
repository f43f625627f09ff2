"""Makes the golden values of test/stats: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scipy mpmath numpy && /tmp/v/bin/python make.py`.

Distributions come from mpmath at 60 digits, tests and metrics from SciPy (and NumPy where the formula is a line).
"""
import json, os
import numpy as np
import mpmath, scipy
from mpmath import mp, mpf
from scipy import stats
from scipy.spatial.distance import jensenshannon

mp.dps = 60
f = lambda x: float(x)
rng = np.random.default_rng(20240611)

def gamma_q(a, x):
    return mp.gammainc(mpf(a), mpf(x), mp.inf, regularized=True)

def gamma_p(a, x):
    return mp.gammainc(mpf(a), 0, mpf(x), regularized=True)

def kolmogorov(l):
    l = mpf(l)
    if l > mpf('0.3'):
        return 2 * mp.nsum(lambda k: (-1) ** (int(k) - 1) * mp.exp(-2 * k * k * l * l), [1, 200], method='d')
    return 1 - mp.sqrt(2 * mp.pi) / l * sum(mp.exp(-(2 * k - 1) ** 2 * mp.pi ** 2 / (8 * l * l)) for k in range(1, 40))

log_gamma = [[x, f(mp.loggamma(mpf(x)))] for x in [1e-300, 1e-10, .01, .25, .5, .75, .999999, 1.000001, 1.25, 1.4616321449683622, 1.5, 1.75, 1.999999, 2.000001, 2.25, 2.5, 3, 5.5, 9.999, 10, 12.3, 100, 1234.5, 1e6, 1e15]]
points = []
for a in [.1, .5, 1, 1.5, 2, 5, 9.5, 10, 31.5, 63.5, 127.5, 1000, 20000]:
    for r in [.01, .2, .7, .95, 1, 1.05, 1.5, 3, 10, 30]:
        points.append((a, a * r))
for a in [.5, 1, 3, 10, 50]:
    points += [(a, 200.), (a, 500.), (a, 640.)]
gamma = []
for a, x in points:
    q, p = gamma_q(a, x), gamma_p(a, x)
    gamma.append([a, x, f(p) if p > mpf('1e-290') else None, f(q) if q > mpf('1e-290') else None])
normal = [[z, f(mp.erfc(mpf(z) / mp.sqrt(2)) / 2)] for z in [-30, -8, -3, -1, -.1, 0, .1, .5, 1, 1.96, 3, 6, 10, 20, 35.5]]
erfc = [[x, f(mp.erfc(mpf(x)))] for x in [-6, -2, -.5, 0, .1, .9, 1.3, 2, 5, 10, 20, 25]]
kol = [[l, f(kolmogorov(l))] for l in [.05, .15, .2, .3, .5, .8, 1, 1.1799, 1.18, 1.2, 1.358, 2, 3, 5, 10, 17]]

contingency = []
for k, n, m in [(2, 400, 300), (3, 1000, 1000), (5, 500, 1000), (20, 2000, 700), (64, 10000, 3000)]:
    base = rng.dirichlet(np.full(k, 6.))
    other = rng.dirichlet(base * 300)
    a, b = rng.multinomial(n, base), rng.multinomial(m, other)
    a, b = a + 25, b + 25
    r = stats.chi2_contingency([a, b], correction=False)
    p, q = a / a.sum(), b / b.sum()
    n2, m2 = a.sum(), b.sum()
    N = n2 + m2
    phi2 = max(0, r.statistic / N - (k - 1) / (N - 1))
    v = np.sqrt(phi2 / min(k - (k - 1) ** 2 / (N - 1) - 1, 2 - 1 / (N - 1) - 1))
    x = np.sort(rng.normal(size=k))
    contingency.append(dict(a=a.tolist(), b=b.tolist(), statistic=r.statistic, df=int(r.dof), p=r.pvalue,
        js=float(jensenshannon(p, q, base=2)), tv=float(np.abs(p - q).sum() / 2), v=float(v),
        positions=x.tolist(), w1=float(stats.wasserstein_distance(x, x, p, q)),
        ks=float(stats.ks_2samp(np.repeat(np.arange(k), a), np.repeat(np.arange(k), b), method='asymp').statistic),
        ksp=f(kolmogorov(mp.sqrt(mpf(int(n2)) * int(m2) / int(N)) * np.abs(np.cumsum(p) - np.cumsum(q)).max()))))

fisher = []
for x, n, y, m in [(3, 10, 8, 12), (0, 10000, 10, 1000), (1, 1000, 0, 1000), (0, 50, 0, 70), (7, 7, 0, 9), (120, 50000, 3, 900), (2, 500, 40, 700), (5, 5000, 5, 5000), (0, 3000, 200, 3000)]:
    fisher.append([x, n, y, m, float(stats.fisher_exact([[x, n - x], [y, m - y]]).pvalue)])

scores = np.round(rng.uniform(.02, .98, 200), 2)
labels = (rng.uniform(size=200) < scores).astype(int)
u = stats.mannwhitneyu(scores[labels == 1], scores[labels == 0]).statistic
metrics = dict(scores=scores.tolist(), labels=labels.tolist(),
    auc=float(u / (labels.sum() * (1 - labels).sum())),
    logLoss=float(-np.mean(np.where(labels == 1, np.log(scores), np.log1p(-scores)))),
    brier=float(np.mean((scores - labels) ** 2)))
values = rng.normal(1e6, 3, 300)
moments = dict(values=values.tolist(), mean=f(sum(map(mpf, values)) / 300), variance=f(sum((mpf(v) - sum(map(mpf, values)) / 300) ** 2 for v in values) / 299))

out = dict(versions=dict(mpmath=mpmath.__version__, scipy=scipy.__version__, numpy=np.__version__), logGamma=log_gamma, gamma=gamma, normal=normal, erfc=erfc, kolmogorov=kol,
    contingency=contingency, fisher=fisher, metrics=metrics, moments=moments)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden.json'), 'w') as file:
    json.dump(out, file, indent=None, separators=(',', ':'))
    file.write('\n')
