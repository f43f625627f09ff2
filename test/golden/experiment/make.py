"""Makes the golden values of test/experiment: `python3 -m venv /tmp/v && /tmp/v/bin/pip install scipy statsmodels && /tmp/v/bin/python make.py`.

Tests come from SciPy and statsmodels; mixtures from numeric integration, so that no closed form is trusted.
"""
import json, os
import numpy as np
import scipy, statsmodels
import statsmodels.api as sm
from scipy import integrate, stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest, samplesize_proportions_2indep_onetail

rng = np.random.default_rng(20270301)
summary = lambda x: dict(count=len(x), mean=float(np.mean(x)), variance=float(np.var(x, ddof=1)))
pairs = lambda x, y: dict(count=len(x), meanX=float(x.mean()), meanY=float(y.mean()), varianceX=float(x.var(ddof=1)), varianceY=float(y.var(ddof=1)), covariance=float(np.cov(x, y)[0, 1]))

welch = []
for n, m, shift, scale in [(5, 7, .5, 1), (30, 12, 0, 3), (200, 2000, .2, .5), (2, 3, 1, 1), (1000, 1000, 1e-3, 10)]:
    a, b = rng.normal(5, 1, n), rng.normal(5 + shift, scale, m)
    r = stats.ttest_ind(b, a, equal_var=False)
    ci = r.confidence_interval(.9)
    welch.append(dict(first=summary(a), second=summary(b), statistic=r.statistic, pValue=r.pvalue, df=r.df, lower=ci.low, upper=ci.high))

proportions = []
for x, n, y, m in [(10, 100, 25, 110), (0, 50, 3, 40), (500, 10000, 560, 10000), (3, 7, 3, 5), (49, 50, 30, 30)]:
    z, p = proportions_ztest([y, x], [m, n])
    lower, upper = confint_proportions_2indep(y, m, x, n, method='newcomb', compare='diff', alpha=.05)
    proportions.append(dict(first=dict(events=x, trials=n), second=dict(events=y, trials=m), statistic=z, pValue=p, lower=lower, upper=upper))

# Sample ratio: Dirichlet-multinomial against multinomial; the coefficients cancel.
ratio = []
for weights, counts in [([.5, .5], [5210, 4790]), ([.9, .05, .05], [905, 60, 35]), ([.01, .99], [20, 980])]:
    w, c = np.array(weights), np.array(counts)
    ratio.append(dict(weights=weights, counts=counts, logEvidence=float(stats.dirichlet_multinomial.logpmf(c, 1000 * w, c.sum()) - stats.multinomial.logpmf(c, c.sum(), w))))

# The evidence of a normal mixture for a sum with variance n: integral of exp(m S - m^2 n / 2) over m ~ N(0, rho^2); one-sided bound by its closed form.
mean_sequence = []
for mean, variance, n in [(.05, 1., 4000), (.2, 9., 900), (0.003, .25, 100000)]:
    alpha = .05
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / 5000
    s = mean * n / np.sqrt(variance)
    centre = s / (n + 1 / rho2)
    e = integrate.quad(lambda m: np.exp(m * s - m * m * n / 2) * stats.norm.pdf(m, 0, np.sqrt(rho2)), centre - .5, centre + .5, points=[centre], epsabs=0, epsrel=1e-11, limit=500)[0]
    half = np.sqrt(variance * 2 * (n * rho2 + 1) / (n * n * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))
    one = np.sqrt(variance * 2 * (n * rho2 + 1) / (n * n * rho2) * np.log(1 + np.sqrt(n * rho2 + 1) / (2 * alpha)))
    mean_sequence.append(dict(sample=dict(count=n, mean=mean, variance=variance), evidence=e, half=half, oneSided=one))

# Beta mixtures by integration: over all rates, those above p, those below it.
beta = []
for hits, misses, a, b, p in [(3, 97, .5, .5, .01), (3, 97, .5, .5, .05), (12, 8, 5, 5, .5), (0, 40, .5, .5, .1), (40, 0, 2, 3, .9)]:
    lik = lambda q: np.exp(hits * np.log(q / p) + misses * np.log((1 - q) / (1 - p))) if 0 < q < 1 else 0.
    # Through the quantile function of the prior, which takes its poles away.
    def mix(lo, hi):
        f = lambda u: lik(stats.beta.ppf(u, a, b))
        peak = stats.beta.cdf(np.clip(hits / (hits + misses), 1e-9, 1 - 1e-9), a, b)
        points = sorted({min(max(peak, lo), hi)})
        return integrate.quad(f, lo, hi, epsabs=0, epsrel=1e-10, limit=2000, points=points)[0] / (hi - lo)
    c = stats.beta.cdf(p, a, b)
    beta.append(dict(hits=hits, misses=misses, a=a, b=b, p=p, both=mix(0, 1), lower=mix(c, 1), upper=mix(0, c)))

# Empirical Bernstein in whole arrays.
x = np.round(rng.beta(2, 5, 400), 3)
t = np.arange(1, 401)
alpha = .05
mu = (.5 + np.cumsum(x)) / (t + 1)
var = (.25 + np.cumsum((x - mu) ** 2)) / (t + 1)
lam = np.minimum(.5, np.sqrt(2 * np.log(2 / alpha) / (np.concatenate([[.25], var[:-1]]) * t * np.log(1 + t))))
v = 4 * (x - np.concatenate([[.5], mu[:-1]])) ** 2
psi = (-np.log(1 - lam) - lam) / 4
centre = np.cumsum(lam * x) / np.cumsum(lam)
half = (np.log(2 / alpha) + np.cumsum(v * psi)) / np.cumsum(lam)
bernstein = dict(values=x.tolist(), lower=[float(max(0, l)) for l in (centre - half)[[9, 99, 399]]], upper=[float(min(1, u)) for u in (centre + half)[[9, 99, 399]]])

# CUPED: the difference is that of an analysis of covariance.
cuped = []
for n, m in [(50, 60), (300, 100)]:
    x = rng.gamma(2, 3, n + m)
    arm = np.repeat([0, 1], [n, m])
    y = 2 + .7 * x + .5 * arm + rng.normal(0, 1, n + m)
    fit = sm.OLS(y, np.column_stack([np.ones(n + m), arm, x])).fit()
    adjusted = y - fit.params[2] * (x - x.mean())
    cuped.append(dict(control=pairs(x[:n], y[:n]), treatment=pairs(x[n:], y[n:]), theta=fit.params[2], difference=fit.params[1],
        variances=[float(adjusted[:n].var(ddof=1)), float(adjusted[n:].var(ddof=1))]))

# Ratio: the linearised values of each unit have the variance of the delta method.
x = rng.poisson(8, 200) + 1.
y = rng.binomial(x.astype(int), .3).astype(float)
r = y.sum() / x.sum()
ratio_metric = dict(pairs=pairs(x, y), mean=float(r), variance=float(np.var((y - r * x) / x.mean(), ddof=1)))

bayes = []
for (x1, n1), (x2, n2), (a, b) in [((100, 1000), (120, 1000), (10, 90)), ((0, 10), (1, 12), (.5, .5)), ((5000, 100000), (5100, 100000), (1, 1)), ((3, 4), (900, 1000), (1, 1))]:
    C, T = stats.beta(a + x1, b + n1 - x1), stats.beta(a + x2, b + n2 - x2)
    q = lambda f, d: integrate.quad(lambda u: f(d.ppf(u)), 0, 1, epsabs=0, epsrel=1e-9, limit=1000)[0]
    # E[(C - T)+] = int P(T < s)(1 - P(C < s)) ds.
    lo, hi = min(C.ppf(1e-13), T.ppf(1e-13)), max(C.isf(1e-13), T.isf(1e-13))
    mids = sorted([C.median(), T.median()])
    loss = lambda kept, taken: integrate.quad(lambda s: taken.cdf(s) * kept.sf(s), lo, hi, epsabs=0, epsrel=1e-9, limit=1000, points=mids)[0]
    bayes.append(dict(control=dict(events=x1, trials=n1), treatment=dict(events=x2, trials=n2), prior=dict(a=a, b=b), better=q(C.cdf, T), lossOfTreatment=loss(C, T), lossOfControl=loss(T, C)))

power = []
for d, s, share, p in [(.5, 1, .5, .8), (.1, 2, .3, .9)]:
    k = share / (1 - share)
    n1 = NormalIndPower().solve_power(effect_size=d / s, alpha=.05, power=p, ratio=k)
    power.append(dict(effect=dict(difference=d, standardDeviation=s), share=share, power=p, units=float(n1 * (1 + k))))
for p1, p2, share, p in [(.1, .11, .5, .8), (.01, .02, .2, .9)]:
    k = share / (1 - share)
    n1 = samplesize_proportions_2indep_onetail(p2 - p1, p1, p, ratio=1 / k, alpha=.05)
    power.append(dict(effect=dict(control=p1, treatment=p2), share=share, power=p, units=float(n1 * (1 + 1 / k))))

out = dict(versions=dict(scipy=scipy.__version__, statsmodels=statsmodels.__version__, numpy=np.__version__), welch=welch, proportions=proportions, ratio=ratio, meanSequence=mean_sequence, beta=beta,
    bernstein=bernstein, cuped=cuped, ratioMetric=ratio_metric, bayes=bayes, power=power)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'goldens.json'), 'w') as file:
    json.dump(out, file, indent=None, separators=(',', ':'))
    file.write('\n')
