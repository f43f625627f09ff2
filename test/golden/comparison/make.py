"""Makes the golden values of test/route/comparison: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scipy numpy && /tmp/v/bin/python make.py`.

Kendall's tau-b from SciPy; distances in ULPs from NumPy's nextafter and spacing; top-k overlap by sorting.
"""
import json, os
import numpy as np
from scipy import stats

rng = np.random.default_rng(20261127)
f = lambda values: [float(x) for x in values]

kendall = []
for n, levels in [(2, None), (3, None), (10, None), (10, 3), (50, 4), (200, None), (200, 7)]:
    a = rng.normal(size=n) if levels is None else rng.integers(0, levels, n).astype(float)
    b = a + rng.normal(size=n) if levels is None else np.round(a + rng.normal(size=n))
    kendall.append([f(a), f(b), float(stats.kendalltau(a, b, variant='b').statistic)])

ulps = []
for dtype, single in [(np.float64, False), (np.float32, True)]:
    for x in [0.0, 1.0, -1.0, 0.1, 1e30, 5e-324 if not single else 1e-45, 2.0 - np.finfo(dtype).eps]:
        y = dtype(x)
        for steps in [1, 3, 100]:
            z = y
            for _ in range(steps):
                z = np.nextafter(z, dtype(np.inf))
            ulps.append([float(y), float(z), single, steps])
ulps.append([-5e-324, 5e-324, False, 2])

overlap = []
for n, k in [(5, 3), (10, 3), (100, 10)]:
    a, b = rng.random(n), rng.random(n)
    overlap.append([f(a), f(b), k, len(set(np.argsort(-a)[:k]) & set(np.argsort(-b)[:k])) / k])

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden.json')
json.dump({'kendall': kendall, 'ulps': ulps, 'overlap': overlap}, open(path, 'w'))
