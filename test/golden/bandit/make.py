"""Probabilities that each arm is the best one, by SciPy's quad over the same beliefs: python make.py > golden.json"""
import json
import numpy as np
import scipy
from scipy import integrate, stats

def best(beliefs):
    shares = []
    for i, one in enumerate(beliefs):
        def f(u):
            x = one.ppf(u)
            return float(np.prod([other.cdf(x) for j, other in enumerate(beliefs) if j != i]))
        # In the quantiles of the arm itself, split where the others have theirs.
        points = sorted({float(np.clip(one.cdf(other.ppf(p)), 1e-12, 1 - 1e-12)) for other in beliefs for p in (0.001, 0.1, 0.5, 0.9, 0.999)})
        ends = [0.0, *points, 1.0]
        shares.append(sum(integrate.quad(f, a, b, epsabs=1e-11, limit=200)[0] for a, b in zip(ends, ends[1:]) if b > a))
    return shares

def beta(arms, mean=0.5, worth=2):
    return [stats.beta(worth * mean + n * m, worth * (1 - mean) + n * (1 - m)) for n, m, _ in arms]

def gaussian(arms, mean=0.0, worth=1.0, deviation=1.0):
    out = []
    for n, m, squares in arms:
        total = worth + n
        a = total / 2
        b = (worth * deviation**2 + squares + worth * n * (m - mean) ** 2 / total) / 2
        out.append(stats.t(2 * a, loc=(worth * mean + n * m) / total, scale=np.sqrt(b / (a * total))))
    return out

cases = [
    ("beta", [(0, 0, 0), (0, 0, 0)]),
    ("beta", [(100, 0.1, 9), (100, 0.2, 16)]),
    ("beta", [(10, 0.0, 0), (1000, 0.01, 9.9)]),
    ("beta", [(100000, 0.101, 0), (100000, 0.1, 0)]),
    ("beta", [(50, 0.3, 0), (60, 0.32, 0), (40, 0.25, 0), (0, 0, 0)]),
    ("beta", [(2000, 0.05, 0), (2000, 0.06, 0), (2000, 0.055, 0), (20, 0.1, 0), (5, 0.0, 0)]),
    ("gaussian", [(0, 0, 0), (0, 0, 0)]),
    ("gaussian", [(30, 10.0, 300.0), (30, 11.0, 250.0)]),
    ("gaussian", [(3, 1.0, 0.5), (5000, 1.2, 4900.0)]),
    ("gaussian", [(100, -2.0, 40.0), (90, -2.1, 60.0), (80, -1.9, 55.0)]),
]
rows = [{"belief": belief, "arms": [{"count": n, "mean": m, "squares": s} for n, m, s in arms], "shares": best((beta if belief == "beta" else gaussian)(arms))} for belief, arms in cases]
print(json.dumps({"by": f"scipy {scipy.__version__}", "cases": rows}, indent=1))
