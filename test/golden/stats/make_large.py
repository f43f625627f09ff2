"""Makes large.json: `python3 -m venv /tmp/v && /tmp/v/bin/pip install mpmath && /tmp/v/bin/python make_large.py`.

Incomplete gamma and beta functions of parameters for which no series ends: the densities themselves are integrated by Gauss and Legendre with 40 good digits,
piece by piece from x outwards, each of which the density falls by some factor e. Held here against mpmath's own functions where those end. An x is a double; `z` says how far out it is.
"""
import json, os
from mpmath import mp, mpf

STEPS = [0, 1e-9, 1e-4, .01, .5, 2, 9, 20, 35]


def outwards(log_density, x, width, z, sign, bound):
    """The integral of exp(log_density) from x away from the mean, to `bound` at most."""
    total, start, width = mpf(0), x, width / (1 + z)
    while True:
        end = start + sign * width
        end = min(end, bound) if sign > 0 else max(end, bound)
        part = abs(mp.quad(lambda t: mp.exp(log_density(t)), [start, end], method='gauss-legendre'))
        total += part
        if part <= total * mpf('1e-42') or end == bound:
            return total
        start = end


def gamma_tails(a, x):
    """P(a, x), Q(a, x)."""
    with mp.workdps(60 + len(str(int(a)))):
        a, x = mpf(a), mpf(x)
        constant = mp.loggamma(a)
        side = 1 if x >= a else -1
        tail = outwards(lambda t: (a - 1) * mp.log(t) - t - constant, x, mp.sqrt(a), abs(x - a) / mp.sqrt(a), side, mp.inf if side > 0 else mpf(0))
        return (1 - tail, tail) if side > 0 else (tail, 1 - tail)


def beta_tails(a, b, x):
    """I_x(a, b), 1 - I_x(a, b)."""
    with mp.workdps(60 + len(str(int(a + b)))):
        a, b, x = mpf(a), mpf(b), mpf(x)
        constant = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
        mean = a / (a + b)
        side = 1 if x >= mean else -1
        deviation = mp.sqrt(mean * (1 - mean) / (a + b))
        tail = outwards(lambda t: (a - 1) * mp.log(t) + (b - 1) * mp.log1p(-t) - constant, x, deviation, abs(x - mean) / deviation, side, mpf(1) if side > 0 else mpf(0))
        return (1 - tail, tail) if side > 0 else (tail, 1 - tail)


def check():
    for a, x in [(50, 40), (3000, 3100)]:
        with mp.workdps(50):
            assert abs(mp.gammainc(a, x, mp.inf, regularized=True) / gamma_tails(a, x)[1] - 1) < mpf('1e-35')
    for a, b, x in [(50, 30, .7), (300, 2000, .12)]:
        with mp.workdps(50):
            assert abs(mp.betainc(a, b, 0, x, regularized=True) / beta_tails(a, b, x)[0] - 1) < mpf('1e-35')


check()
out = dict(gamma=[], beta=[])
for a in [1e7, 2.9e7, 3.1e7, 3e8, 1e10, 1e13, 1e15, 1e18, 1e30]:
    for z in STEPS:
        for sign in [1, -1]:
            x = float(mpf(a) + sign * z * mp.sqrt(a))
            if z == 0 and sign < 0 or (x == a and z != 0):
                continue
            p, q = gamma_tails(a, x)
            out['gamma'].append([a, x, float(p), float(q)])
shapes = [(1e15, 101.), (1e15, 1e4), (2e15, 1e6), (1e15, 2.9e7), (1e15, 3.1e7), (1e15, 1e9), (6e14, 7e14), (1e16, 1e16), (3e17, 1e18), (1e20, 5e7), (1e20, 1e4), (4e7, 5e7), (1e9, 4e7), (1e12, 1e12), (1e25, 1e25)]
for a, b in shapes + [(b, a) for a, b in shapes if a != b]:
    for z in STEPS:
        for sign in [1, -1]:
            mean = mpf(a) / (mpf(a) + mpf(b))
            x = float(mean + sign * z * mp.sqrt(mean * (1 - mean) / (mpf(a) + b)))
            # Next to 1 a double says too little.
            if z == 0 and sign < 0 or not 0 < x < 1:
                continue
            p, q = beta_tails(a, b, x)
            if min(p, q) > mpf('1e-290'):
                out['beta'].append([a, b, x, float(p), float(q)])
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'large.json'), 'w') as file:
    file.write('{\n' + ',\n'.join('"%s":%s' % (name, json.dumps(rows, separators=(',', ':'))) for name, rows in out.items()) + '\n}\n')
print({name: len(rows) for name, rows in out.items()})
