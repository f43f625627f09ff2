"""Makes sketches.json: `python3 -m venv /tmp/v && /tmp/v/bin/pip install ddsketch datasketches && /tmp/v/bin/python make_sketches.py`.

The same streams go through other implementations: DataDog's ddsketch for quantiles, Apache DataSketches for distinct counts.
They have other buckets and other hashes, so that only what all promise can be compared: the truth, and how far off each may be.
"""
import json, math, os
from ddsketch import LogCollapsingLowestDenseDDSketch
import datasketches
from decimal import Decimal, getcontext


def stream(kind, size=2000):
    """Doubles that are the same in every language: the golden ratio's multiples, mapped."""
    unit = [(k * 0.6180339887498949) % 1 for k in range(1, size + 1)]
    return {
        'uniform': unit,
        'pareto': [1 / (1 - u) ** 2 for u in unit],
        'signed': [1000 * (u - 0.4) for u in unit],
    }[kind]


QUANTILES = [0, .01, .1, .25, .5, .75, .9, .99, .999, 1]
out = dict(quantiles=[], distinct=[], full=[])
for kind in ['uniform', 'pareto', 'signed']:
    for accuracy in [.01, .05]:
        sketch = LogCollapsingLowestDenseDDSketch(relative_accuracy=accuracy, bin_limit=2048)
        for value in stream(kind):
            sketch.add(value)
        out['quantiles'].append([kind, accuracy, [[q, sketch.get_quantile_value(q)] for q in QUANTILES]])
for precision in [10, 12]:
    for size in [5, 100, 1000, 20000, 100000]:
        sketch = datasketches.hll_sketch(precision, datasketches.HLL_8)
        for value in range(size):
            sketch.update('user %d' % value)
        out['distinct'].append([precision, size, sketch.get_estimate()])


def full_estimate(ranks, longest):
    """Algorithm 6 of Ertl (2017), each series summed in 50 digits. No stream of values fills registers so far; a saved state may."""
    m = len(ranks)
    counts = [ranks.count(rank) for rank in range(longest + 2)]
    share = power = 1 - Decimal(counts[longest + 1]) / m
    tau = 1 - share
    for k in range(1, 160):
        power = power.sqrt()
        tau -= (1 - power) ** 2 / Decimal(2) ** k
    z = sum(Decimal(counts[k]) / Decimal(2) ** k for k in range(1, longest + 1)) + m * (tau / 3 if 0 < share < 1 else 0) / Decimal(2) ** longest
    return float(Decimal(m) ** 2 / (2 * Decimal(2).ln() * z))


getcontext().prec = 50
digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
for full in [1, 5, 12, 15]:
    ranks = [61] * full + [60 - i % 3 for i in range(16 - full)]
    out['full'].append([''.join(digits[rank] for rank in ranks), full_estimate(ranks, 60)])
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sketches.json'), 'w') as file:
    file.write('{\n' + ',\n'.join('"%s":%s' % (name, json.dumps(value, separators=(',', ':'))) for name, value in out.items()) + '\n}\n')
