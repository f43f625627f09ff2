"""Makes distributions.json: `python3 -m venv /tmp/v && /tmp/v/bin/pip install mpmath gmpy2 scipy && /tmp/v/bin/python make_distributions.py`.

Every value comes from mpmath with at least 50 good digits: the incomplete gamma and beta functions by the power series
whose terms are all positive (1 - p with 350 digits where p is the small side), held here against mpmath's own gammainc
and betainc. SciPy only finds where a tail is 1e-3, 1e-60, 1e-280; which x that is does not matter to a golden value.
"""
import json, math, os, random
import numpy as np
from mpmath import mp, mpf
from scipy import special

SMALLEST = mpf('1e-290')
LEVELS = [.5, 1e-3, 1e-15, 1e-60, 1e-150, 1e-280]


def tail(p):
    """As a double, or None below what is compared."""
    return float(p) if p > SMALLEST else None


def gamma_tails(a, x):
    """P(a, x) and Q(a, x)."""
    with mp.workdps(400):
        a, x = mpf(a), mpf(x)
        term = total = mpf(1)
        n = 0
        while term > total * mpf('1e-380'):
            n += 1
            term *= x / (a + n)
            total += term
        p = mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1)) * total
        return p, 1 - p


def beta_series(a, b, x, y):
    a, b = mpf(a), mpf(b)
    term = total = mpf(1)
    n = 0
    while term > total * mpf(10) ** (-mp.dps):
        term *= (a + b + n) / (a + 1 + n) * x
        total += term
        n += 1
    return mp.exp(a * mp.log(x) + b * mp.log(y) - mp.log(a) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)) * total


def beta_tails(a, b, x, y):
    """I_x(a, b) and 1 - I_x(a, b), from the side whose series is short."""
    def length(a, b, x, y):
        return (2 * max(0, b * x - a * y) + 30 * mp.sqrt(a * b / (a + b)) + 900) / max(y, mpf('1e-300'))
    a, b = mpf(a), mpf(b)
    if length(a, b, x, y) <= length(b, a, y, x):
        p = beta_series(a, b, x, y)
        return p, 1 - p
    q = beta_series(b, a, y, x)
    return 1 - q, q


def beta_point(a, b, x):
    with mp.workdps(400):
        x = mpf(x)
        return beta_tails(a, b, x, 1 - x)


def check():
    """The two series against mpmath itself."""
    for a, x in [(.3, .2), (.005, 1.), (2.5, 30.), (40., 12.), (1000., 1100.)]:
        p, q = gamma_tails(a, x)
        with mp.workdps(60):
            assert abs(mp.gammainc(a, 0, x, regularized=True) / p - 1) < mpf('1e-50')
            assert abs(mp.gammainc(a, x, mp.inf, regularized=True) / q - 1) < mpf('1e-50')
    for a, b, x in [(.3, .2, .7), (.005, 3., .1), (2.5, 30., .4), (40., 12., .5), (300., 500., .3)]:
        p, q = beta_point(a, b, x)
        with mp.workdps(120):
            assert abs(mp.betainc(a, b, 0, x, regularized=True) / p - 1) < mpf('1e-50')
            assert abs(mp.betainc(b, a, 0, 1 - mpf(x), regularized=True) / q - 1) < mpf('1e-50')


def where(f, level, low, high):
    """The u in [low, high] where the monotone f comes to `level`, by bisection; None if it does not."""
    at = [f(low), f(high)]
    if not (min(at) <= level <= max(at)):
        return None
    for _ in range(80):
        middle = (low + high) / 2
        if (f(middle) < level) == (at[0] < at[1]):
            low = middle
        else:
            high = middle
    return high


def short(x):
    """Eight digits suffice to say where."""
    return float('%.8g' % x)


def expit(u):
    return float(special.expit(u))


def gamma_points(a):
    found = set()
    for level in LEVELS:
        for f in (special.gammainc, special.gammaincc):
            u = where(lambda u: f(a, math.exp(u)), level, -700., math.log(a + 4000) + 1)
            if u is not None:
                found.add(short(math.exp(u)))
    return sorted(x for x in found if x > 1e-300)


def gamma_rows():
    rows = []
    for a in [1e-6, .005, .1, .5, .9, 1., 1.5, 3., 9.99, 10., 50.5, 1e3, 5e5, 1e6]:
        for x in gamma_points(a):
            p, q = gamma_tails(a, x)
            rows.append([a, x, tail(p), tail(q)])
    return rows


def beta_rows():
    rows = []
    shapes = [1e-6, .005, .5, 1., 2.5, 30., 1e3, 1e6]
    for a in shapes:
        for b in shapes:
            found = set()
            for level in LEVELS:
                for f in (lambda u: special.betainc(a, b, expit(u)), lambda u: special.betainc(b, a, expit(-u))):
                    u = where(f, level, -690., 36.)
                    if u is not None:
                        x = expit(u)
                        found.add(short(x) if x < .9999 else x)
            for x in sorted(found):
                if 1e-300 < x < 1:
                    p, q = beta_point(a, b, x)
                    rows.append([a, b, x, tail(p), tail(q)])
    return rows


def t_rows():
    rows = []
    for df in [.01, .5, 1., 2., 3.5, 10., 99., 1e4, 1e6, 1e11, 1e15]:
        found = {1e-9, .3, 1.}
        for level in LEVELS[1:]:
            def f(u):
                r = math.exp(2 * u) / df
                return special.betainc(df / 2, .5, 1 / (1 + r)) / 2 if df < 1e8 else float(special.ndtr(-math.exp(u)))
            u = where(f, level, -20., 345.)
            if u is not None:
                found.add(short(math.exp(u)))
        for t in sorted(found):
            # The series of I_y(1/2, df / 2), y = t^2 / (df + t^2), is the short one unless y is next to 1.
            with mp.workdps(400):
                square, nu = mpf(t) ** 2, mpf(df)
                p, _ = beta_tails(nu / 2, mpf(.5), nu / (nu + square), square / (nu + square))
            rows.append([df, t, tail(p / 2)])
    rows += [[.5, 1e200, None], [1., 1e200, None], [1.5, 3e170, None]]
    for row in rows[-3:]:
        with mp.workdps(500):
            square, nu = mpf(row[1]) ** 2, mpf(row[0])
            row[2] = tail(beta_tails(nu / 2, mpf(.5), nu / (nu + square), square / (nu + square))[0] / 2)
    return rows


def f_rows():
    rows = []
    degrees = [.01, 1., 3.5, 20., 1e3, 1e6]
    for d1 in degrees:
        for d2 in degrees:
            found = {1.}
            for level in LEVELS[1:]:
                def lower(u):
                    w = u + math.log(d1 / d2)
                    return special.betainc(d1 / 2, d2 / 2, expit(w))
                def upper(u):
                    w = u + math.log(d1 / d2)
                    return special.betainc(d2 / 2, d1 / 2, expit(-w))
                for f in (lower, upper):
                    u = where(f, level, -680., 680.)
                    if u is not None:
                        found.add(short(math.exp(u)))
            for f in sorted(found):
                with mp.workdps(400):
                    w = mpf(d1) * mpf(f)
                    p, q = beta_tails(mpf(d1) / 2, mpf(d2) / 2, w / (w + d2), d2 / (w + d2))
                rows.append([d1, d2, f, tail(p), tail(q)])
    return rows


def binomial_rows():
    rows = []
    for n in [1, 10, 101, 10_000, 1_000_000]:
        for chance in [1e-9, 1e-3, .1, .5, .9, .999]:
            counts = {0, n // 3, n}
            for level in LEVELS:
                for f in (lambda k: special.betainc(k + 1, n - k, chance), lambda k: special.betainc(n - k, k + 1, 1 - chance)):
                    k = where(f, level, 0., n - 1.)
                    if k is not None:
                        counts.add(int(k))
            for k in sorted(counts):
                with mp.workdps(400):
                    c = mpf(chance)
                    mass = mp.exp(mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1) + k * mp.log(c) + (n - k) * mp.log(1 - c))
                    above, below = beta_tails(k + 1, n - k, c, 1 - c) if k < n else (mpf(0), mpf(1))
                if mass > SMALLEST or above > SMALLEST > below or below > SMALLEST > above:
                    rows.append([n, chance, k, tail(mass), tail(below), tail(above)])
    return rows


def poisson_rows():
    rows = []
    for mean in [1e-6, .1, 1., 10.5, 1e3, 1e6]:
        counts = {0, 1}
        for level in LEVELS:
            for f in (lambda k: special.gammainc(k + 1, mean), lambda k: special.gammaincc(k + 1, mean)):
                k = where(f, level, 0., mean * 2 + 2000)
                if k is not None:
                    counts.add(int(k))
        for k in sorted(counts):
            with mp.workdps(400):
                mass = mp.exp(k * mp.log(mpf(mean)) - mpf(mean) - mp.loggamma(k + 1))
            above, below = gamma_tails(k + 1, mean)
            rows.append([mean, k, tail(mass), tail(below), tail(above)])
    return rows


def kolmogorov_rows():
    rows = []
    for l in [.0435, .05, .07, .1, .15, .2, .3, .4, .5, .7, .9, 1., 1.1, 1.1799, 1.18, 1.2, 1.358, 1.7, 2., 3., 5., 8., 12., 17., 17.9]:
        with mp.workdps(400):
            x = mpf(l)
            p = mp.sqrt(2 * mp.pi) / x * mp.fsum(mp.exp(-(2 * k - 1) ** 2 * mp.pi ** 2 / (8 * x * x)) for k in range(1, 600))
            rows.append([l, tail(p), tail(1 - p)])
    return rows


check()
mp.dps = 60
random.seed(20240611)
z = [-37., -30., -12., -5., -2., -.7, -.1, -1e-8, 0., 1e-12, .01, .3, .67, 1., 1.2, 1.7320508, 2.5, 4., 8., 15., 25., 35.7]
x = [1e-200, 1e-12, 1e-4, .01, .2, .4999, .5, .8, 1., 1.2247, 1.3, 2., 3., 4.5, 5.9]
p = [1e-300, 1e-280, 1e-150, 1e-60, 1e-15, 1e-6, .001, .02425, .1, .2499, .25, .3, .42, .4999, .49999999, .5000001, .6, .75, .76, .9, .99, .999999, 1 - 2 ** -50]


def normal_quantile(p):
    """By Newton's steps at 400 digits, from the double."""
    with mp.workdps(400):
        p, u = mpf(p), mpf(float(special.ndtri(p)))
        for _ in range(12):
            u -= (mp.erfc(-u / mp.sqrt(2)) / 2 - p) * mp.sqrt(2 * mp.pi) * mp.exp(u * u / 2)
        return float(u)


out = dict(
    logGamma=[[a, float(mp.loggamma(mpf(a)))] for a in [short(10 ** random.uniform(-12, 0)) for _ in range(10)] + [short(random.uniform(.3, 12)) for _ in range(80)] + [short(10 ** random.uniform(1, 14)) for _ in range(30)] + [1 - 1e-9, 1 + 1e-9, 2 - 1e-9, 2 + 1e-9]],
    gamma=gamma_rows(),
    beta=beta_rows(),
    erf=[[v, float(mp.erf(mpf(v)))] for v in x],
    erfc=[[v, float(mp.erfc(mpf(v)))] for v in [-5., -.3] + x + [10., 18., 25.]],
    normal=[[v, float(mp.erfc(mpf(v) / mp.sqrt(2)) / 2), float(mp.npdf(mpf(v)))] for v in z],
    normalQuantile=[[v, normal_quantile(v)] for v in p],
    studentT=t_rows(),
    f=f_rows(),
    betaDensity=[[a, b, v, float(mp.exp((mpf(a) - 1) * mp.log(mpf(v)) + (mpf(b) - 1) * mp.log(1 - mpf(v)) + mp.loggamma(mpf(a) + b) - mp.loggamma(a) - mp.loggamma(b)))]
                 for a, b, v in [(.005, 7., .2), (.5, .5, .999), (1., 1., .3), (2.5, 30., .01), (2.5, 30., .7), (1e3, 1e3, .45), (1e6, 1e6, .51), (1e6, 1e6, .5), (1e6, .5, .9999), (12.25, 1e6, 1e-5)]],
    binomial=binomial_rows(),
    poisson=poisson_rows(),
    kolmogorov=kolmogorov_rows(),
)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'distributions.json'), 'w') as file:
    file.write('{\n' + ',\n'.join('"%s":%s' % (name, json.dumps(rows, separators=(',', ':'))) for name, rows in out.items()) + '\n}\n')
