"""Makes golden.json for test/drift/estimation/nannyml.test.ts: `python3.10 -m venv /tmp/v && /tmp/v/bin/pip install nannyml==0.13.1 && /tmp/v/bin/python make.py`.

What NannyML's CBPE and DLE estimate for a window, with their defaults, and what the labels of the window then showed. (Python 3.10: with newer ones pip finds parts that
do not go together.) Rows are made by a formula that the test has as well, so that none are committed.
"""
import json, math, os
os.environ['NML_DISABLE_USAGE_LOGGING'] = '1'
import numpy as np
import pandas as pd
import nannyml
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

assert nannyml.__version__ == '0.13.1', nannyml.__version__

class Seeded:
    """mulberry32, and normal numbers by Box and Muller: as test/drift/_seeded.ts."""
    def __init__(self, seed):
        self.state = seed
    def uniform(self):
        self.state = (self.state + 0x6d2b79f5) % 2**32
        t = (self.state ^ self.state >> 15) * (self.state | 1) % 2**32
        t ^= (t + (t ^ t >> 7) * (t | 61)) % 2**32
        return (t ^ t >> 14) / 2**32
    def normal(self):
        return math.sqrt(-2 * math.log(1 - self.uniform())) * math.cos(2 * math.pi * self.uniform())

def logistic(x):
    return 1 / (1 + math.exp(-x))

def scored_rows(seed, count, mean, sharper):
    """A feature about `mean`, a score that is `sharper` than the truth, a label by its odds."""
    random = Seeded(seed)
    rows = []
    for _ in range(count):
        x = mean + 1.5 * random.normal()
        score = logistic(sharper * x)
        rows.append((score, int(score >= 0.5), int(random.uniform() < logistic(x))))
    return pd.DataFrame(rows, columns=['score', 'predicted', 'label'])

def predicted_rows(seed, count, mean, share):
    """Predictions about `mean`; errors grow with them, and are three times as large in the city that has this share."""
    random = Seeded(seed)
    rows = []
    for _ in range(count):
        prediction = mean + 12 * random.normal()
        city = int(random.uniform() < share)
        rows.append((prediction, city, prediction + (1 + abs(prediction) / 50) * (3 if city else 1) * random.normal()))
    return pd.DataFrame(rows, columns=['prediction', 'city', 'label'])

metrics = ['accuracy', 'precision', 'recall', 'f1', 'roc_auc']
classifiers = []
for name, reference, window in [
    ('nothing changed', [1, 5000, -0.5, 1], [2, 2000, -0.5, 1]),
    ('covariate shift', [3, 5000, -0.5, 1], [4, 2000, 0.7, 1]),
    ('rare positives', [5, 5000, -2, 1], [6, 2000, -2, 1]),
    ('scores that promise too much', [7, 5000, -0.5, 2], [8, 2000, -0.5, 2]),
    ('covariate shift, scores that promise too much', [9, 5000, -0.5, 2], [10, 2000, 0.4, 2]),
    ('scores that promise too little', [11, 5000, -0.5, 0.5], [12, 2000, -0.5, 0.5]),
]:
    before, after = scored_rows(*reference), scored_rows(*window)
    cbpe = nannyml.CBPE(problem_type='classification_binary', y_pred_proba='score', y_pred='predicted', y_true='label', metrics=metrics, chunk_size=len(after)).fit(before)
    found = cbpe.estimate(after[['score', 'predicted']]).filter(period='analysis').to_df()
    y, predicted = after['label'], after['predicted']
    shown = [accuracy_score(y, predicted), precision_score(y, predicted), recall_score(y, predicted), f1_score(y, predicted), roc_auc_score(y, after['score'])]
    estimated = [float(found[(metric, 'value')].iloc[0]) for metric in metrics]
    classifiers.append(dict(name=name, reference=reference, window=window, calibrated=bool(cbpe.needs_calibration), estimated=estimated, shown=[float(value) for value in shown]))

regressions = []
for name, reference, window in [
    ('nothing changed', [21, 5000, 100, 0.3], [22, 2000, 100, 0.3]),
    ('larger predictions', [23, 5000, 100, 0.3], [24, 2000, 115, 0.3]),
    ('another mix of a category', [25, 5000, 100, 0.3], [26, 2000, 100, 0.7]),
]:
    before, after = predicted_rows(*reference), predicted_rows(*window)
    dle = nannyml.DLE(feature_column_names=['city'], y_pred='prediction', y_true='label', metrics=['mae', 'rmse'], chunk_size=len(after)).fit(before)
    found = dle.estimate(after[['prediction', 'city']]).filter(period='analysis').to_df()
    errors = (after['label'] - after['prediction']).to_numpy()
    regressions.append(dict(name=name, reference=reference, window=window, estimated=[float(found[(metric, 'value')].iloc[0]) for metric in ('mae', 'rmse')], shown=[float(np.abs(errors).mean()), float(np.sqrt((errors**2).mean()))]))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden.json'), 'w') as file:
    json.dump(dict(nannyml=nannyml.__version__, classifiers=classifiers, regressions=regressions), file, separators=(',', ':'))
