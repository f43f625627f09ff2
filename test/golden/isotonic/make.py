"""Makes golden.json for test/stats/isotonic-regression.test.ts: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scikit-learn && /tmp/v/bin/python make.py`.

Fits and values between the knots come from scikit-learn's IsotonicRegression(out_of_bounds='clip').
"""
import json, os
import numpy as np
import sklearn
from sklearn.isotonic import IsotonicRegression

rng = np.random.default_rng(20261127)
cases = []
for name, n, decimals, weighted, labels in [
    ('two rows', 2, 3, False, False), ('numbers', 40, 6, False, False), ('labels, few ties', 120, 6, False, True),
    ('labels, many ties', 200, 1, False, True), ('weights', 60, 2, True, False), ('all falling', 12, 6, False, False),
]:
    x = np.round(rng.normal(size=n), decimals)
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * x))).astype(float) if labels else np.round(x + rng.normal(size=n), 6)
    if name == 'all falling':
        y = -x
    w = np.round(rng.exponential(size=n), 6) if weighted else None
    fit = IsotonicRegression(out_of_bounds='clip').fit(x, y, sample_weight=w)
    at = np.round(np.concatenate([np.linspace(x.min() - 1, x.max() + 1, 21), rng.choice(x, 5)]), 6)
    cases.append(dict(name=name, x=x.tolist(), y=y.tolist(), weights=None if w is None else w.tolist(), at=at.tolist(), values=fit.predict(at).tolist(), fitted=fit.predict(x).tolist()))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden.json'), 'w') as file:
    json.dump(dict(sklearn=sklearn.__version__, cases=cases), file, separators=(',', ':'))
