"""Makes golden.json for test/drift/batch-detectors/embeddings-goldens.test.ts: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scikit-learn && /tmp/v/bin/python make.py`.

The verdicts of the three detectors of embeddings, from NumPy, SciPy and scikit-learn: scaling, halves, folds, fits, errors, AUC and DeLong's variance are done here
again, the fits by scikit-learn. What is drawn at random (which rows, halves, folds, shuffles) follows the library's generator, which is written down here a second time.
Rows are made by a formula that the test has as well, so that none are committed.
"""
import json, math, os
import numpy as np
import scipy, sklearn
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel

M = 0xFFFFFFFF

def murmur3(text, seed):
    data = text.encode()
    h = seed
    def scramble(k):
        k = k * 0xcc9e2d51 & M
        k = (k << 15 | k >> 17) & M
        return k * 0x1b873593 & M
    full = len(data) // 4 * 4
    for i in range(0, full, 4):
        h ^= scramble(int.from_bytes(data[i:i + 4], 'little'))
        h = ((h << 13 | h >> 19) & M) * 5 + 0xe6546b64 & M
    if full < len(data):
        h ^= scramble(int.from_bytes(data[full:], 'little'))
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85ebca6b & M
    h = (h ^ h >> 13) * 0xc2b2ae35 & M
    return h ^ h >> 16

class Random:
    """sfc32 (C. Doty-Humphrey, PractRand, 2010), seeded by three hashes of a text."""
    def __init__(self, seed):
        self.name = str(seed)
        self.a, self.b, self.c, self.counter = murmur3(self.name, 1), murmur3(self.name, 2), murmur3(self.name, 3), 1
        for _ in range(12): self.next()
    def next(self):
        total = (self.a + self.b + self.counter) & M
        self.counter = (self.counter + 1) & M
        self.a = self.b ^ self.b >> 9
        self.b = (self.c + (self.c << 3)) & M
        self.c = ((self.c << 21 | self.c >> 11) + total) & M
        return total / 2**32
    def integer(self, below):
        return math.floor(self.next() * below)
    def substream(self, purpose):
        return Random(f'{self.name}/{purpose}')

def made_rows(seed, count, width, shift, spread):
    """spread * (one number of the row + one of its own, each the sum of four uniforms - 2) + shift; the uniforms of Numerical Recipes."""
    state = seed
    def bell():
        nonlocal state
        total = 0.0
        for _ in range(4):
            state = (1664525 * state + 1013904223) % 2**32
            total += state / 2**32
        return total - 2
    rows = []
    for _ in range(count):
        common = bell()
        rows.append([spread * (common + bell()) + shift for _ in range(width)])
    return np.array(rows)

def drawn(rows, most, random):
    if len(rows) <= most: return list(rows)
    order = list(rows)
    for index in range(most):
        other = index + random.integer(len(order) - index)
        order[index], order[other] = order[other], order[index]
    return order[:most]

def prepared(case, most, mix):
    random = Random(case['seed'])
    samples = [made_rows(*case[side]) for side in ('reference', 'live')]
    samples = [np.array(drawn(list(sample), most, random.substream(f'rows {side}'))) for side, sample in enumerate(samples)]
    width = samples[0].shape[1]
    if mix and width > 64:
        draw = random.substream('signs')
        signs = np.array([[-1 if draw.next() < 0.5 else 1 for _ in range(width)] for _ in range(64)])
        # One after the other, for the last digit: the rows are part of the seed.
        samples = [np.add.accumulate(sample[:, None, :] * signs[None, :, :], axis=2)[:, :, -1] for sample in samples]
    return samples

def seed_of_rows(seed, samples):
    """The seed of what is shuffled: with two hashes of the 32-bit words of all numbers."""
    one = other = 0
    for sample in samples:
        for word in np.ascontiguousarray(sample, '<f8').view('<u4').ravel().tolist():
            one = (one ^ word) * 0x9e3779b1 & M
            one ^= one >> 15
            other = (other + word + 1) * 0x85ebca6b & M
            other ^= other >> 13
    return f'{seed}/{one}/{other}'

def robust(rows, in_units):
    result = np.zeros(rows.shape)
    for column, values in enumerate(rows.T):
        ordered = np.sort(values)
        at = lambda share: ordered[math.floor(share * (len(ordered) - 1) + 0.5)]
        deviation = (at(0.75) - at(0.25)) / 1.349
        units = np.clip((values - at(0.5)) / deviation, -4, 4)
        result[:, column] = units if in_units else units * deviation
    return result

def shuffle(values, random):
    for index in range(len(values) - 1, 0, -1):
        other = random.integer(index + 1)
        values[index], values[other] = values[other], values[index]
    return values

def delong(groups):
    """AUC over the pairs of all groups, and DeLong's variance."""
    won = pairs = 0
    ups, downs = [], []
    for up, down in groups:
        if len(up) == 0 or len(down) == 0: continue
        wins = (up[:, None] > down[None, :]) + (up[:, None] == down[None, :]) / 2
        won += wins.sum()
        pairs += wins.size
        ups += list(wins.mean(axis=1))
        downs += list(wins.mean(axis=0))
    return won / pairs, np.var(ups, ddof=1) / len(ups) + np.var(downs, ddof=1) / len(downs)

def optimum(X, y, offset, penalty):
    """The penalised regression whose intercept is `offset`: by scikit-learn where that is 0 (it has no offsets), else by SciPy."""
    def loss(w):
        eta = offset + X @ w
        p = 1 / (1 + np.exp(-eta))
        return np.logaddexp(0, eta).sum() - y @ eta + penalty * w @ w / 2, X.T @ (p - y) + penalty * w
    by_scipy = minimize(loss, np.zeros(X.shape[1]), jac=True, method='BFGS', options=dict(gtol=1e-9, maxiter=5000)).x
    if offset != 0: return by_scipy
    fit = LogisticRegression(C=1 / penalty, fit_intercept=False, solver='newton-cholesky', tol=1e-12, max_iter=200).fit(X, y)
    assert np.abs(fit.coef_[0] - by_scipy).max() < 1e-6
    return fit.coef_[0]

z = ndtri(0.975)

def classifier(case, penalty=1.0, permutations=199, maximumRows=1000):
    before, after = prepared(case, maximumRows, True)
    n, m = len(before), len(after)
    rows = robust(np.vstack([before, after]), True)
    share, random = m / (n + m), Random(seed_of_rows(case['seed'], [before, after])).substream('folds')
    fold_of = np.array(shuffle([row % 5 for row in range(n + m)], random))
    labels = np.array([0.0] * n + [1.0] * m)
    offset = 0 if n == m else math.log(share / (1 - share))
    fits = []
    for fold in range(5):
        used = fold_of != fold
        X = rows[used]
        hat = np.linalg.inv(share * (1 - share) * X.T @ X + penalty * np.eye(X.shape[1])) @ X.T
        fits.append((used, hat, rows[~used] @ optimum(X, labels[used], offset, penalty)))
    def one_step(of):
        won = pairs = 0
        for used, hat, _ in fits:
            sides = of[~used]
            both = sides.sum() * (1 - sides).sum()
            if both == 0: continue
            won += both * roc_auc_score(sides, rows[~used] @ (hat @ (of[used] - share)))
            pairs += both
        return won / pairs
    seen = one_step(labels)
    dealt, chance = labels.copy(), []
    for _ in range(permutations): chance.append(one_step(shuffle(dealt, random)))
    auc, variance = delong([(scores[labels[~used] == 1], scores[labels[~used] == 0]) for used, _, scores in fits])
    error = z * math.sqrt(max(variance, np.mean((np.array(chance) - 0.5) ** 2)))
    return dict(value=auc, low=max(0, auc - error), high=max(0.5, min(1, auc + error)), pValue=(1 + sum(value >= seen - 1e-12 for value in chance)) / (1 + permutations))

def pca(case, explained=0.8, maximumRows=2000):
    before, after = prepared(case, maximumRows, True)
    n = len(before)
    order = drawn(list(range(n)), n - 1, Random(case['seed']).substream('halves'))
    fitted = np.isin(np.arange(n), order[:n // 2])
    rows = robust(np.vstack([before, after]), False)
    fit = PCA(n_components=explained, svd_solver='full').fit(rows[:n][fitted])
    errors = ((rows - fit.inverse_transform(fit.transform(rows))) ** 2).sum(axis=1)
    own, live = errors[:n][~fitted], errors[n:]
    auc, variance = delong([(live, own)])
    error = 2 * z * math.sqrt(variance)
    method = 'exact' if len(own) * len(live) <= 1000 else 'asymptotic'
    return dict(value=2 * auc - 1, low=max(-1, 2 * auc - 1 - error), high=min(1, 2 * auc - 1 + error), pValue=mannwhitneyu(live, own, method=method).pvalue, components=int(fit.n_components_),
                errors=[float(x) for x in errors[:3]])

def mmd(case, permutations=199, maximumRows=500):
    before, after = prepared(case, maximumRows, False)
    n, m = len(before), len(after)
    rows = np.vstack([before, after])
    distances = np.sqrt(((rows[:, None] - rows[None, :]) ** 2).sum(axis=2))
    bandwidth = np.median(distances[np.triu_indices(n + m, 1)])
    kernel = rbf_kernel(rows, gamma=1 / (2 * bandwidth**2))
    np.fill_diagonal(kernel, 0)
    def squared(first):
        second = np.setdiff1d(np.arange(n + m), first)
        a, b = len(first), len(second)
        return kernel[np.ix_(first, first)].sum() / a / (a - 1) + kernel[np.ix_(second, second)].sum() / b / (b - 1) - 2 * kernel[np.ix_(first, second)].sum() / a / b
    seen = squared(np.arange(n))
    order = list(range(n + m)) if n <= m else list(range(n + m - 1, -1, -1))
    random, reached = Random(seed_of_rows(case['seed'], [before, after])), 0
    for _ in range(permutations):
        for index in range(min(n, m)):
            other = index + random.integer(n + m - index)
            order[index], order[other] = order[other], order[index]
        reached += squared(np.array(order[:min(n, m)])) >= seen - 1e-12
    witness = np.concatenate([kernel[:n, :n].sum(axis=1) / (n - 1) - kernel[:n, n:].sum(axis=1) / m, kernel[n:, :n].sum(axis=1) / n - kernel[n:, n:].sum(axis=1) / (m - 1)])
    projected = 4 * (np.var(witness[:n], ddof=1) / n + np.var(witness[n:], ddof=1) / m)
    N = n + m
    means = kernel.sum(axis=1) / (N - 1)
    squares = (kernel**2).sum() / N / (N - 1) - 2 * (means**2).mean() + means.mean() ** 2
    error = z * math.sqrt(projected + 2 * (1 / n + 1 / m) ** 2 * squares)
    effect = lambda value: min(math.sqrt(2), math.sqrt(max(0, value)))
    return dict(value=effect(seen), low=effect(seen - error), high=effect(seen + error), pValue=(1 + reached) / (1 + permutations))

# Seeds of the rows, how many, how wide, shifted by, spread.
settings = [
    dict(name='as many live rows as of the reference', seed=0, reference=[11, 60, 3, 0, 1], live=[12, 60, 3, 0.4, 1]),
    dict(name='fewer live rows, a small shift', seed=7, reference=[21, 90, 5, 0, 1], live=[22, 40, 5, 0.15, 1]),
    dict(name='more live rows, wider', seed='a', reference=[31, 50, 6, 0, 1], live=[32, 80, 6, 0, 1.5]),
    dict(name='unchanged', seed=3, reference=[41, 64, 4, 0, 1], live=[42, 50, 4, 0, 1]),
    dict(name='70 columns', seed=5, reference=[51, 60, 70, 0, 1], live=[52, 45, 70, 0.2, 1]),
    dict(name='at most 50 rows', seed=9, options=dict(maximumRows=50), reference=[61, 120, 4, 0, 1], live=[62, 70, 4, 0.3, 1.2]),
]
cases = []
for setting in settings:
    more = setting.get('options', {})
    for detector, run, options in [('domainClassifierDrift', classifier, {}), ('domainClassifierDrift', classifier, dict(penalty=10.0)), ('pcaReconstructionDrift', pca, {}), ('pcaReconstructionDrift', pca, dict(explained=0.6)), ('mmdDrift', mmd, {})]:
        found = run(setting, **options, **more)
        cases.append(dict(detector=detector, **{**setting, 'options': {**options, **more}}, found={key: value if isinstance(value, (int, list)) else float(value) for key, value in found.items()}))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden.json'), 'w') as file:
    json.dump(dict(sklearn=sklearn.__version__, scipy=scipy.__version__, cases=cases), file, separators=(',', ':'))
