"""Makes the golden values of the raw two-sample tests: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scipy mpmath numpy && /tmp/v/bin/python make_two_samples.py`.

Exact p-values are counted in whole numbers here (and held against SciPy where it has them and there are no ties), limits
come from mpmath at 40 digits by other formulas than the library's, distances and statistics from SciPy.
"""
import itertools, json, math, os, warnings
from fractions import Fraction
import numpy as np
import mpmath, scipy
from mpmath import mp, mpf
from scipy import stats
from scipy.spatial.distance import cdist

mp.dps = 40
warnings.simplefilter('ignore')
rng = np.random.default_rng(20240612)


def ties_of(a, b):
    values = np.unique(np.concatenate([a, b]))
    return [(int((a == v).sum()), int((b == v).sum())) for v in values]


def ks_exact(a, b):
    """1 - (orders that stay inside) / (all orders), in whole numbers, over a full table."""
    n, m = len(a), len(b)
    ties = ties_of(a, b)
    i = j = limit = 0
    ends = set()
    for x, y in ties:
        i, j = i + x, j + y
        ends.add(i + j)
        limit = max(limit, abs(i * m - j * n))
    row = [0] * (m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            ways = 1 if i == j == 0 else (row[j] if i > 0 else 0) + (row[j - 1] if j > 0 else 0)
            row[j] = 0 if i + j in ends and abs(i * m - j * n) >= limit else ways
    return Fraction(limit, n * m), 1 - Fraction(row[m], math.comb(n + m, n))


def mw_exact(a, b):
    n, m = len(a), len(b)
    ties = ties_of(a, b)
    splits = {(0, 0): 1}
    taken = u = below = 0
    for x, y in ties:
        u += x * (2 * below + y)
        below += y
        c = x + y
        following = {}
        for (i, v), ways in splits.items():
            for k in range(c + 1):
                if i + k <= n and taken - i + c - k <= m:
                    key = (i + k, v + k * (2 * (taken - i) + c - k))
                    following[key] = following.get(key, 0) + ways * math.comb(c, k)
        splits, taken = following, taken + c
    far = sum(ways for (_, v), ways in splits.items() if abs(v - n * m) >= abs(u - n * m))
    return u / 2, Fraction(far, math.comb(n + m, n))


def cvm_exact(a, b):
    n, m = len(a), len(b)
    ties = ties_of(a, b)
    i = j = found = 0
    splits = {(0, 0): 1}
    taken = 0
    for x, y in ties:
        c = x + y
        i, j = i + x, j + y
        found += c * (i * m - j * n) ** 2
        taken += c
        following = {}
        for (h, s), ways in splits.items():
            for k in range(c + 1):
                g = h + k
                if g <= n and taken - g <= m:
                    key = (g, s + c * (g * m - (taken - g) * n) ** 2)
                    following[key] = following.get(key, 0) + ways * math.comb(c, k)
        splits = following
    reached = sum(ways for (_, s), ways in splits.items() if s >= found)
    return Fraction(found, n * m * (n + m) ** 2), Fraction(reached, math.comb(n + m, n))


def cvm_limit(x):
    x = mpf(x)
    return 1 - mp.nsum(lambda j: (-1) ** int(j) * mp.binomial(mpf(-1) / 2, int(j)) * mp.sqrt(4 * j + 1) * mp.exp(-(4 * j + 1) ** 2 / (16 * x)) * mp.besselk(mpf(1) / 4, (4 * j + 1) ** 2 / (16 * x)), [0, 200], method='d') / (mp.pi * mp.sqrt(x))


def between_poles(x, D, low, high):
    """Smirnov's integral over [low, high] with u = low + (high - low) sin², which takes both roots out of the way."""
    def integrand(phi):
        sine, cosine = mp.sin(phi), mp.cos(phi)
        u = low + (high - low) * sine ** 2
        return 2 * (high - low) * sine * cosine * mp.exp(-x * (u - low) / 2) / (u * mp.sqrt(abs(D(u))))
    # Its tolerance is absolute, so the factor of the tail comes last.
    return mp.exp(-x * low / 2) * mp.quad(integrand, [0] + [mp.pi / 2 * mpf(2) ** -t for t in range(8, -1, -1)])


def cvm_limit_far(x):
    x, D = mpf(x), lambda u: mp.sin(mp.sqrt(u)) / mp.sqrt(u)
    return sum((-1) ** (j + 1) * between_poles(x, D, (2 * j - 1) ** 2 * mp.pi ** 2, (2 * j) ** 2 * mp.pi ** 2) for j in range(1, 7)) / mp.pi


def ad_limit_of_many(x, k):
    """The inverse of the moment generating function along a vertical line, for k odd, where its power is whole."""
    with mp.workdps(40):
        x, half = mpf(x), (k - 1) // 2
        moments = lambda s: (-2 * mp.pi * s / mp.cos(mp.pi / 2 * mp.sqrt(1 + 8 * s))) ** half
        line = mp.findroot(lambda s: mp.diff(lambda r: mp.log(moments(r)) - r * x - mp.log(r), s), (mpf('.02'), mpf('.3')), solver='anderson', tol=1e-12)
        value = lambda t: mp.re(moments(mp.mpc(line, t)) * mp.exp(-mp.mpc(line, t) * x) / mp.mpc(line, t))
        # quad stops at an absolute error: values of about 1.
        return mp.quad(lambda t: value(t) / value(0), mp.linspace(0, 8, 81)) * value(0) / mp.pi


AD_MANY = [(101, 85.), (101, 100.), (301, 260.), (301, 300.), (301, 345.), (1001, 950.), (1001, 1000.), (1001, 1120.), (1001, 1500.)]


def ad_limit(x, k):
    """Smirnov's integrals for 2 samples, the residues at simple poles for 3 and at double poles for 5."""
    x = mpf(x)
    if k == 2:
        D = lambda u: mp.cos(mp.pi / 2 * mp.sqrt(1 + 4 * u)) / (-mp.pi * u)
        return sum((-1) ** (j + 1) * between_poles(x, D, mpf((2 * j - 1) * 2 * j), mpf(2 * j * (2 * j + 1))) for j in range(1, 12)) / mp.pi
    if k == 3:
        return mp.nsum(lambda j: (-1) ** (int(j) + 1) * (2 * j + 1) * mp.exp(-x * j * (j + 1) / 2), [1, 300], method='d')
    M = lambda s: (-2 * mp.pi * s / mp.cos(mp.pi / 2 * mp.sqrt(1 + 8 * s))) ** 2 * mp.exp(-s * x) / s
    total = mpf(0)
    for j in range(1, 16):
        pole, radius, count = mpf(j * (j + 1)) / 2, min(mpf(j) / 4, 1 / x), 128
        points = [radius * mp.expjpi(2 * (mpf(t) + mpf(1) / 2) / count) for t in range(count)]
        total -= (sum(M(pole + p) * p for p in points) / count).real
    return total


f = float
exact = []
cases = [(rng.normal(size=n), rng.normal(size=m) + shift) for n, m, shift in [(1, 1, 0), (1, 9, 0), (3, 4, 2), (7, 7, .7), (8, 11, 0), (11, 8, 1.3), (12, 12, 3), (12, 13, .5), (20, 20, 1), (24, 36, .3), (30, 33, .8), (44, 44, 1.5)]]
cases += [(np.floor(rng.normal(size=n) * width), np.floor(rng.normal(size=m) * width + shift)) for n, m, width, shift in [(2, 3, 1, 0), (6, 7, 1, 1), (9, 9, .5, 1), (10, 12, 2, 2), (13, 12, 3, 0), (20, 20, .3, .2), (21, 28, 1.5, 1), (31, 32, 4, 3)]]
cases += [(np.array([1., 1, 1]), np.array([1., 1])), (np.array([5., 5, 7]), np.array([1., 2, 3, 4]))]
for a, b in cases:
    n, m = len(a), len(b)
    D, ksp = ks_exact(a, b)
    U, mwp = mw_exact(a, b)
    small = (n + m) * math.lcm(n, m) <= 4000
    T, cvmp = cvm_exact(a, b) if small else (None, None)
    untied = len(np.unique(np.concatenate([a, b]))) == n + m
    if untied:
        assert abs(stats.ks_2samp(a, b, method='exact').pvalue / f(ksp) - 1) < 1e-9
        assert abs(stats.mannwhitneyu(a, b, method='exact').pvalue / f(mwp) - 1) < 1e-9
        if small and n + m < 40 and min(n, m) > 1:
            s = stats.cramervonmises_2samp(a, b, method='exact')
            assert abs(s.statistic - f(T)) < 1e-12 and abs(s.pvalue / f(cvmp) - 1) < 1e-9
    elif n + m < 14:
        pooled = np.concatenate([a, b])
        tests = [(lambda x, y: ks_exact(x, y)[0], ksp), (lambda x, y: abs(Fraction(mw_exact(x, y)[0]) - Fraction(n * m, 2)), mwp)] + ([(lambda x, y: cvm_exact(x, y)[0], cvmp)] if small else [])
        for statistic, p in tests:
            found, reached, all_splits = statistic(a, b), 0, 0
            for chosen in itertools.combinations(range(n + m), n):
                mask = np.zeros(n + m, bool)
                mask[list(chosen)] = True
                # Statistics alone: the p-values that these functions also give are not used.
                reached += statistic(pooled[mask], pooled[~mask]) >= found
                all_splits += 1
            assert Fraction(reached, all_splits) == p
    exact.append(dict(a=a.tolist(), b=b.tolist(), D=f(D), ks=f(ksp), U=U, mw=f(mwp), T=None if T is None else f(T), cvm=None if cvmp is None else f(cvmp)))

# The lattice of larger samples: n, m and whole limits, as rank orders that reach just that.
lattice = []
for n, m, shift in [(150, 150, .2), (100, 250, .5), (40, 700, 1), (200, 180, 2.5)]:
    a, b = np.round(rng.normal(size=n), 3), np.round(rng.normal(size=m) + shift, 3)
    D, p = ks_exact(a, b)
    lattice.append([a.tolist(), b.tolist(), f(D), f(p)])

limits = []
for n, m, shift, digits in [(60, 80, .2, 9), (200, 300, .3, 9), (70, 500, 0, 1), (150, 150, 0, 0)]:
    a, b = np.round(rng.normal(size=n), digits), np.round(rng.normal(size=m) + shift, digits)
    mw, cvm = stats.mannwhitneyu(a, b, method='asymptotic'), stats.cramervonmises_2samp(a, b, method='asymptotic')
    untied = len(np.unique(np.concatenate([a, b]))) == n + m
    N = n + m
    tn = mpf(1) / 6 + (mpf(f(cvm.statistic)) - (1 + mpf(1) / N) / 6) / mp.sqrt(45 * mpf((N + 1) * (4 * m * n * N - 3 * (n * n + m * m) - 2 * m * n)) / (180 * N * N * n * m))
    limits.append(dict(a=a.tolist(), b=b.tolist(), U=f(mw.statistic), mw=f(mw.pvalue), cvm=f(cvm_limit(tn)) if untied else None, ad=f(stats.anderson_ksamp([a, b]).statistic),
        w1=f(stats.wasserstein_distance(a, b)), energy=f(stats.energy_distance(a, b))))

anderson = []
for sizes in [(5, 6), (10, 12, 9), (30, 40, 20, 25, 35), (8, 8), (9, 7, 11), (21, 25, 18, 30, 22)]:
    samples = [np.round(rng.normal(size=s) + .2 * i, 6 if len(sizes) == 2 or sizes[0] in (9, 21) else 1) for i, s in enumerate(sizes)]
    s, k = stats.anderson_ksamp(samples).statistic, len(sizes)
    anderson.append([[x.tolist() for x in samples], f(s), f(ad_limit(mpf(k - 1) + mpf(f(s)) * mp.sqrt(2 * (k - 1) * (mp.pi ** 2 / 3 - 3)), k))])

rows = []
for n, m, d in [(6, 9, 1), (12, 10, 3), (25, 30, 8)]:
    a, b = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + .3
    p = np.concatenate([a, b])
    D = cdist(p, p)
    sigma = np.median(D[np.triu_indices(n + m, 1)])
    K = np.exp(-D ** 2 / 2 / sigma ** 2)
    np.fill_diagonal(K, 0)
    rows.append(dict(a=a.tolist(), b=b.tolist(), bandwidth=f(sigma), mmd=f(K[:n, :n].sum() / n / (n - 1) + K[n:, n:].sum() / m / (m - 1) - 2 * K[:n, n:].mean()),
        energy=f(np.sqrt(2 * D[:n, n:].mean() - D[:n, :n].mean() - D[n:, n:].mean()))))

g = []
for k, n, m in [(2, 400, 300), (5, 500, 1000), (20, 2000, 700)]:
    a, b = rng.multinomial(n, rng.dirichlet(np.full(k, 6.))) + 25, rng.multinomial(m, rng.dirichlet(np.full(k, 6.))) + 25
    if k == 5:
        b = np.round(a * (b.sum() / a.sum()) + rng.normal(size=k) * 4).astype(int)
    r = stats.chi2_contingency([a, b], correction=False, lambda_='log-likelihood')
    e = [[mpf(int(a.sum())) * int(t) / int(a.sum() + b.sum()) for t in a + b], [mpf(int(b.sum())) * int(t) / int(a.sum() + b.sum()) for t in a + b]]
    G = 2 * mp.fsum(int(x) * mp.log(int(x) / y) for counts, expected in zip([a, b], e) for x, y in zip(counts, expected))
    N, n1, m1 = int((a + b).sum()), int(a.sum()), int(b.sum())
    q = 1 + (mp.fsum(mpf(N) / int(t) for t in a + b) - 1) * (mpf(N) / n1 + mpf(N) / m1 - 1) / (6 * N * (k - 1))
    tail = lambda s: f(mp.gammainc(mpf(k - 1) / 2, s / 2, mp.inf, regularized=True))
    assert abs(r.statistic / f(G) - 1) < 1e-10
    g.append(dict(a=a.tolist(), b=b.tolist(), G=f(G), p=tail(G), corrected=tail(G / q), hellinger=f(np.sqrt(((np.sqrt(a / n1) - np.sqrt(b / m1)) ** 2).sum() / 2))))

p = rng.uniform(size=20) ** 3
out = dict(versions=dict(mpmath=mpmath.__version__, scipy=scipy.__version__, numpy=np.__version__), exact=exact, lattice=lattice, limits=limits, anderson=anderson, rows=rows, g=g,
    cvmLimit=[[x, f(cvm_limit(x) if x < 1 else cvm_limit_far(x))] for x in [.01, .02, .05, .1, 1 / 6, .3, .46136, .75, 1., 2., 5., 20., 100.]],
    adLimit=[[x, k, f(ad_limit(x, k))] for k in [2, 3, 5] for x in [.4, .8, 1., 2., 2.492, 4., 8., 20., 100., 500.]],
    adMany=[[x, k, f(ad_limit_of_many(x, k))] for k, x in AD_MANY],
    fdr=[p.tolist(), stats.false_discovery_control(p).tolist()])
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'two-samples.json'), 'w') as file:
    file.write('{\n' + ',\n'.join('"%s":%s' % (name, json.dumps(value, separators=(',', ':'))) for name, value in out.items()) + '\n}\n')
