"""Makes sketches.json: `python3 -m venv /tmp/v && /tmp/v/bin/pip install ddsketch datasketches && /tmp/v/bin/python make_sketches.py`.

The same streams go through other implementations: DataDog's ddsketch for quantiles, Apache DataSketches for distinct counts.
They have other buckets and other hashes, so that only what all promise can be compared: the truth, and how far off each may be.
"""
import json, math, os
from ddsketch import LogCollapsingLowestDenseDDSketch
import datasketches


def stream(kind, size=2000):
    """Doubles that are the same in every language: the golden ratio's multiples, mapped."""
    unit = [(k * 0.6180339887498949) % 1 for k in range(1, size + 1)]
    return {
        'uniform': unit,
        'pareto': [1 / (1 - u) ** 2 for u in unit],
        'signed': [1000 * (u - 0.4) for u in unit],
    }[kind]


QUANTILES = [0, .01, .1, .25, .5, .75, .9, .99, .999, 1]
out = dict(quantiles=[], distinct=[])
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
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sketches.json'), 'w') as file:
    file.write('{\n' + ',\n'.join('"%s":%s' % (name, json.dumps(value, separators=(',', ':'))) for name, value in out.items()) + '\n}\n')
