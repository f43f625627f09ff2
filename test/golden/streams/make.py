"""Makes golden.json for test/drift/streaming: `python3 -m venv /tmp/v && /tmp/v/bin/pip install river==0.26.1 && /tmp/v/bin/python make.py`.

All indices come from river's own detectors, on streams that a formula makes: see `stream`. test/drift/streaming/_goldens.ts has the same formula.

ADWIN: river up to 0.22 or so, in Python, left out the last bucket of every row. ADWIN of river 0.26.1, rewritten in Rust
(rust_src/adwin.rs), looks at all buckets: it is the corrected one. Two things are done here to be sure of it.
`naive_adwin` is a plain ADWIN of our own, which keeps every value and derives the cuts from the sizes of the buckets alone; it must
give river's indices. With its last argument it leaves out what the old one did; that must give other indices.
"""
import json, math, os
import river
from river import drift

assert river.__version__ == '0.26.1', river.__version__

def uniforms(seed):
    """The linear congruential generator of Numerical Recipes, as shares of 2^32."""
    while True:
        seed = (1664525 * seed + 1013904223) % 2**32
        yield seed / 2**32

def stream(kind, seed, parts):
    """bits: 1 with probability `level`. numbers: level + spread * (sum of four uniforms - 2)."""
    u = uniforms(seed)
    values = []
    for length, level, spread in parts:
        for _ in range(length):
            values.append((1 if next(u) < level else 0) if kind == 'bits' else level + spread * (next(u) + next(u) + next(u) + next(u) - 2))
    return values

def naive_adwin(values, delta=0.002, clock=32, max_buckets=5, min_window_length=5, grace_period=10, skip_last=False):
    found = []
    window, rows, tick = [], [], 0  # rows[r]: how many buckets of 2^r values
    for index, value in enumerate(values):
        window.append(value)
        tick += 1
        row = 0
        while True:
            if row == len(rows): rows.append(0)
            rows[row] += 1
            if rows[row] <= max_buckets: break
            rows[row] -= 2
            row += 1
        if tick % clock or len(window) <= grace_period: continue
        def cut():
            n, at, n0, u0 = len(window), 0, 0, 0
            mean = sum(window) / n
            v = sum((x - mean) ** 2 for x in window) / n
            d = math.log(2 * math.log(n) / delta)
            for row in reversed(range(len(rows))):
                for bucket in range(rows[row]):
                    at += 2 ** row
                    # The old loop did not even count what it left out.
                    if skip_last and bucket == rows[row] - 1: continue
                    n0 += 2 ** row
                    u0 += sum(window[at - 2 ** row:at])
                    n1 = n - n0
                    if n0 < min_window_length or n1 < min_window_length: continue
                    m = 1 / (n0 - min_window_length + 1) + 1 / (n1 - min_window_length + 1)
                    if abs(u0 / n0 - (sum(window) - u0) / n1) > math.sqrt(2 * m * v * d) + 2 / 3 * d * m: return True
            return False
        if cut():
            found.append(index)
            window, rows, tick = [], [], 0
    return found

STREAMS = {
    'clean errors': ('bits', 1, [[6000, .2, 0]]),
    'errors .2 to .3': ('bits', 2, [[3000, .2, 0], [3000, .3, 0]]),
    'errors .2 to .5 to .1': ('bits', 3, [[2000, .2, 0], [2000, .5, 0], [2000, .1, 0]]),
    'rare errors': ('bits', 4, [[3000, .01, 0], [3000, .05, 0]]),
    'errors that become more, slowly': ('bits', 5, [[1000, .1 + .02 * i, 0] for i in range(8)]),
    'many changes': ('bits', 6, [[400, p, 0] for p in [.1, .6, .2, .9, .3, .05, .5, 0, 1, .4]]),
    'no errors, then only errors': ('bits', 7, [[500, 0, 0], [500, 1, 0]]),
    'scores': ('numbers', 8, [[2000, .4, .2], [2000, .55, .2], [2000, .3, .15]]),
    'clean scores': ('numbers', 9, [[6000, .5, .25]]),
    'a mean that shifts': ('numbers', 10, [[2000, 0, 1.7], [2000, .5, 1.7], [2000, -.5, 1.7], [1000, 3, 1.7]]),
    'a spread that grows': ('numbers', 11, [[3000, 10, 1], [3000, 10, 4]]),
    'thousands': ('numbers', 12, [[2000, 5000, 100], [2000, 5060, 100], [2000, 4800, 300]]),
    'a constant that jumps': ('numbers', 13, [[700, 2.5, 0], [700, 2.75, 0]]),
}
BITS = [name for name, (kind, *_) in STREAMS.items() if kind == 'bits']
SCORES = ['scores', 'clean scores']
NUMBERS = [name for name in STREAMS if name not in BITS + SCORES]

# Our name of a detector and of its options: river's.
DETECTORS = {
    'adwin': (drift.ADWIN, dict(delta='delta', clock='clock', maxBuckets='max_buckets', minWindowLength='min_window_length', gracePeriod='grace_period')),
    'pageHinkley': (drift.PageHinkley, dict(minInstances='min_instances', delta='delta', threshold='threshold', alpha='alpha', direction='mode')),
    'hddmA': (drift.binary.HDDMA, dict(driftConfidence='drift_confidence', warningConfidence='warning_confidence', twoSidedTest='two_sided_test')),
    'hddmW': (drift.binary.HDDMW, dict(driftConfidence='drift_confidence', warningConfidence='warning_confidence', twoSidedTest='two_sided_test', lambda_='lambda_val')),
    'ddm': (drift.binary.DDM, dict(warmStart='warm_start', warningThreshold='warning_threshold', driftThreshold='drift_threshold')),
    'eddm': (drift.binary.EDDM, dict(warmStart='warm_start', alpha='alpha', beta='beta')),
}
CASES = [
    ('adwin', {}, BITS + SCORES + NUMBERS),
    ('adwin', dict(delta=.05, clock=1, maxBuckets=3, minWindowLength=2, gracePeriod=3), BITS + SCORES + NUMBERS),
    ('adwin', dict(delta=1e-5, clock=10, maxBuckets=8), BITS + NUMBERS),
    # Our default of `direction` is 'up'; river's of `mode` is 'both'.
    ('pageHinkley', dict(direction='up'), BITS + SCORES + NUMBERS),
    ('pageHinkley', dict(direction='down'), BITS + SCORES + NUMBERS),
    ('pageHinkley', dict(direction='both', minInstances=100, delta=.05, threshold=20, alpha=.999), BITS + SCORES + NUMBERS),
    ('hddmA', {}, BITS + SCORES),
    ('hddmA', dict(driftConfidence=.01, warningConfidence=.1, twoSidedTest=True), BITS + SCORES),
    ('hddmW', {}, BITS + SCORES),
    ('hddmW', dict(driftConfidence=1e-4, warningConfidence=.01, twoSidedTest=True, lambda_=.02), BITS + SCORES),
    ('ddm', {}, BITS),
    ('ddm', dict(warmStart=100, warningThreshold=2.5, driftThreshold=4), BITS),
    ('eddm', {}, BITS),
    ('eddm', dict(warmStart=50, alpha=.8, beta=.75), BITS),
]

def run(name, options, values):
    make, names = DETECTORS[name]
    detector = make(**{names[key]: value for key, value in options.items()})
    drifts, warnings = [], []  # warnings as first and last index of each run
    for index, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected: drifts.append(index)
        elif getattr(detector, 'warning_detected', False):
            if warnings and warnings[-1] == index - 1: warnings[-1] = index
            else: warnings += [index, index]
    return drifts, warnings

made = {name: stream(*spec) for name, spec in STREAMS.items()}
cases = []
for name, options, on in CASES:
    for key in on:
        drifts, warnings = run(name, options, made[key])
        ours = {k.rstrip('_'): v for k, v in options.items()}
        cases.append(dict(detector=name, options=ours, stream=key, drifts=drifts, warnings=warnings))

told_apart = 0
for key in ['errors .2 to .3', 'errors .2 to .5 to .1', 'scores', 'a mean that shifts']:
    [golden] = [case['drifts'] for case in cases if case['detector'] == 'adwin' and case['options'] == {} and case['stream'] == key]
    assert naive_adwin(made[key]) == golden, key
    told_apart += naive_adwin(made[key], skip_last=True) != golden
assert told_apart > 0

file = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden.json')
with open(file, 'w') as out:
    streams = {name: dict(kind=kind, seed=seed, parts=parts) for name, (kind, seed, parts) in STREAMS.items()}
    lines = ',\n'.join(json.dumps(case, separators=(',', ':')) for case in cases)
    out.write('{"river":"%s","streams":%s,\n"cases":[\n%s\n]}\n' % (river.__version__, json.dumps(streams, separators=(',', ':')), lines))
print('river', river.__version__, len(cases), 'cases,', sum(len(c['drifts']) for c in cases), 'drifts,', os.path.getsize(file), 'bytes, last bucket matters in', told_apart, 'of 4')
