/** The story, from top to bottom: is it healthy, what is served, has the world changed, what went wrong lately. */
import type { DashboardData, DriftData, DriftFeatureData, PredictionLine, PredictorData, RolloutData, StateLine } from '../dashboard-data.js'
import { matters } from './attention.js'
import { chartPlace, spokenSeries } from './charts.js'
import { h, svg, type Child } from './dom.js'
import { clean, count, foreign, ms, numberOf, percent, plural, short, span, time } from './format.js'
import { bar, figure, mark, opener, table } from './parts.js'

const section = (id: string, title: string, ...children: readonly (Child | readonly Child[])[]): HTMLElement => h('section', { id, 'aria-labelledby': `${id}-title`, 'data-key': id }, h('h2', { id: `${id}-title` }, title), ...children)

/** All of the page. */
export const story = (data: DashboardData): HTMLElement =>
  h('main', { id: 'story', tabindex: -1 }, summary(data), healthy(data), served(data), changed(data), wrong(data), happened(data))

const summary = (data: DashboardData): HTMLElement => {
  const found = matters(data)
  const rows = data.predictors.reduce((sum, { hour }) => sum + hour.rows, 0)
  const failed = data.predictors.reduce((sum, { hour }) => sum + hour.failed, 0)
  const bad = found.some(({ level }) => level === 'bad')
  const level = bad ? 'bad' : found.length > 0 ? 'watch' : 'ok'
  return h(
    'section',
    { class: `summary ${level}`, 'aria-label': 'Summary', 'data-key': 'summary' },
    h('p', { class: 'verdict', role: 'status' }, mark(level, found.length === 0 ? 'All is well.' : `${plural(found.length, 'matter needs', 'matters need')} somebody.`)),
    found.length > 0 && h('ul', {}, found.map(({ level: one, text, to }) => h('li', {}, mark(one, ''), h('a', { href: `#${to}` }, text)))),
    h('p', { class: 'quiet' }, `${plural(rows, 'call')} in the last hour, ${failed === 0 ? 'none' : percent(failed / rows)} failed. Watching for ${span(data.at - data.startedAt)}.`),
  )
}

// ---- is it healthy

const healthy = ({ at, predictors, objectives }: DashboardData): HTMLElement =>
  section(
    'healthy',
    'Is it healthy?',
    table(
      'objectives',
      'Objectives and their error budgets',
      [{ name: 'Objective' }, { name: 'State' }, { name: 'Asked', isNumber: true }, { name: 'So far', isNumber: true }, { name: 'Budget left', isNumber: true }, { name: 'Burn rate: long, short window' }],
      objectives.map(({ name, isBurning, told, since, objective, attainment, budgetLeft, rules }) => [
        foreign(name),
        isBurning ? mark(told === 'ticket' ? 'watch' : 'bad', `burning${since === undefined ? '' : ` for ${span(at - since)}`}`) : mark('ok', 'fine'),
        percent(objective),
        percent(attainment),
        percent(budgetLeft),
        h('span', {}, rules.map((rule) => h('span', { class: rule.isBurning ? 'rule burning' : 'rule' }, `${clean(rule.name)} ${short(rule.long)}, ${short(rule.short)} `))),
      ]),
      'No objectives are watched: pass `alerts` to see error budgets here.',
    ),
    predictors.map((one, index) => health(one, index, at)),
  )

const health = (predictor: PredictorData, index: number, at: number): HTMLElement => {
  const { name, hour, totals, isReady, breakers, stack } = predictor
  return h(
    'article',
    { 'data-key': `health-${index}`, 'aria-label': clean(name) },
    h('h3', {}, foreign(name), ' ', isReady ? mark('ok', 'ready') : mark('bad', 'not ready')),
    h('dl', { class: 'figures' }, figure('calls in the last hour', count(hour.rows)), figure('failed', percent(hour.failed / hour.rows)), figure('fallback or stale', percent(hour.degraded / hour.rows)), figure('half took up to', ms(hour.p50)), figure('99 of 100 up to', ms(hour.p99)), figure('calls since it watches', count(totals.rows))),
    h('div', { class: 'charts' }, chartPlace(`calls-${index}`, 'Calls per second', spokenSeries(predictor)), chartPlace(`latency-${index}`, 'Latency', spokenSeries(predictor))),
    breakers.length > 0 &&
      table(
        `breakers-${index}`,
        'Circuit breakers that have changed',
        [{ name: 'Breaker' }, { name: 'State' }, { name: 'Since' }, { name: 'Why' }],
        breakers.map(({ subject, to, reason, at: since }) => [foreign(subject), mark(to === 'closed' ? 'ok' : to === 'open' || to === 'isolated' ? 'bad' : 'watch', clean(to)), time(since, at), foreign(reason)]),
        '',
      ),
    h('details', { 'data-key': `sums-${index}` }, h('summary', {}, 'All calls, by how they ended and who answered'), sums(`outcome-${index}`, 'How calls ended', totals.byOutcome, totals.rows), sums(`source-${index}`, 'Who answered', totals.bySource, totals.rows)),
    h('details', { 'data-key': `stack-${index}` }, h('summary', {}, 'The stack'), h('pre', { tabindex: 0 }, stack)),
  )
}

const sums = (key: string, caption: string, counts: Readonly<Record<string, number>>, all: number): HTMLElement =>
  table(key, caption, [{ name: '' }, { name: 'Calls', isNumber: true }, { name: 'Share', isNumber: true }], Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([name, rows]) => [clean(name), count(rows), percent(rows / all)]), 'No calls yet.')

// ---- what is served

const served = ({ at, predictors, rollouts }: DashboardData): HTMLElement =>
  section(
    'served',
    'What is served?',
    predictors.map(({ name, identity, served: lines, hour }, index) =>
      h(
        'article',
        { 'data-key': `served-${index}`, 'aria-label': clean(name) },
        h('h3', {}, foreign(name), ': ', foreign(`${identity.name} ${identity.version}`), identity.digest === undefined ? undefined : h('code', { title: identity.digest }, ` ${clean(identity.digest.slice(0, 12))}`)),
        table(
          `lines-${index}`,
          'Who answered in the last hour',
          [{ name: 'Model' }, { name: 'Version' }, { name: 'Variant' }, { name: 'Calls', isNumber: true }, { name: 'Share', isNumber: true }, { name: 'Failed', isNumber: true }, { name: 'Fallback, stale', isNumber: true }, { name: 'p50', isNumber: true }, { name: 'p99', isNumber: true }],
          lines.map((line) => [foreign(line.name), foreign(line.version), foreign(line.variant), count(line.rows), percent(line.rows / hour.rows), percent(line.failed / line.rows), percent(line.degraded / line.rows), ms(line.p50), ms(line.p99)]),
          'Nobody has asked in the last hour.',
        ),
      ),
    ),
    rollouts.map((one, index) => rollout(one, index, at)),
  )

const stages = ['shadow', 'canary', 'promoted'] as const

const rollout = ({ name, stage, step, weight, since, candidate, control, waits, held, end, verdict, text }: RolloutData, index: number, at: number): HTMLElement =>
  h(
    'article',
    { 'data-key': `rollout-${index}`, 'aria-label': `Rollout ${clean(name)}` },
    h('h3', {}, 'Rollout ', foreign(name), ' ', mark(stage === 'rolled-back' ? 'bad' : stage === 'promoted' ? 'ok' : stage === 'idle' ? 'none' : 'watch', stage)),
    stage === 'idle'
      ? h('p', { class: 'none' }, 'No rollout is under way.')
      : h('ol', { class: 'stages' }, stages.map((one) => h('li', { 'aria-current': one === stage ? 'step' : undefined, class: one === stage ? 'now' : undefined }, one === 'canary' && step >= 0 ? `canary, step ${step + 1}` : one)), stage === 'rolled-back' && h('li', { class: 'now bad', 'aria-current': 'step' }, 'rolled back')),
    stage !== 'idle' && h('p', {}, foreign(candidate ?? '–'), ` has ${percent(weight)} of the units, against `, foreign(control ?? '–'), ', since ', time(since, at), '.'),
    held !== undefined && h('p', {}, mark('watch', `Held by ${clean(held.by)}: ${clean(held.reason)}`)),
    end !== undefined && h('p', {}, 'It ended at ', time(end.at, at), ` by ${clean(end.by)} (${clean(end.cause)}): `, foreign(end.reason)),
    waits.length > 0 && h('p', {}, 'It waits for: ', foreign(waits.join('; '))),
    verdict !== undefined &&
      table(
        `evidence-${index}`,
        `Evidence, valid at every look: ${clean(verdict.reason)}`,
        [{ name: 'Metric' }, { name: 'Says' }, { name: 'Difference', isNumber: true }, { name: 'Interval' }, { name: 'Evidence to pass' }, { name: 'Evidence of worse' }],
        verdict.metrics.map(({ name: metric, role, decision, estimate, interval, pass, worse }) => [
          h('span', {}, foreign(metric), ` (${role})`),
          mark(decision === 'rollback' ? 'bad' : decision === 'promote' ? 'ok' : 'none', decision),
          short(estimate),
          interval === undefined ? '–' : `${short(interval[0])} to ${short(interval[1])}`,
          evidence(pass),
          evidence(worse),
        ]),
        '',
      ),
    h('details', { 'data-key': `text-${index}` }, h('summary', {}, 'As a text for a ticket'), h('pre', { tabindex: 0 }, cleanLines(text))),
  )

const cleanLines = (text: string): string => text.split('\n').map(clean).join('\n')

/** On a logarithm's scale, as evidence multiplies. */
const evidence = (given: { readonly eValue: number; readonly needed: number } | undefined): Child => {
  if (given === undefined) return '–'
  const [value, needed] = [numberOf(given.eValue), numberOf(given.needed)]
  return h('span', { class: 'evidence' }, bar(Math.log(Math.max(1, value)) / Math.log(needed)), ` ${short(value)} of ${short(needed)}`)
}

// ---- has the world changed

/** The worst come first; more at once would hide what comes after. */
const mostOpen = 2

const changed = ({ drift }: DashboardData): HTMLElement =>
  section('changed', 'Has the world changed?', drift.length === 0 ? h('p', { class: 'none' }, 'No drift is watched: pass `drift` to see features here.') : drift.map(driftOf))

const driftMark = (state: string): HTMLElement => mark(state === 'drifted' ? 'watch' : state === 'ok' ? 'ok' : 'none', state === 'too-few-rows' ? 'too few rows' : clean(state))

const driftOf = ({ name, state, rows, rowsNeeded, referenceRows, tolerance, features, segments }: DriftData, index: number): HTMLElement =>
  h(
    'article',
    { 'data-key': `drift-${index}`, 'aria-label': `Drift of ${clean(name)}` },
    h('h3', {}, foreign(name), ' ', driftMark(state)),
    h('p', { class: 'quiet' }, `${plural(rows, 'live row')} against ${count(referenceRows)} of the reference. ${rows < rowsNeeded ? `A verdict needs ${count(rowsNeeded)}.` : `Differences from ${short(tolerance)} on are drift, if chance does not explain them.`}`),
    features.map((feature, at) => featureOf(feature, `feature-${index}-${clean(feature.feature)}`, tolerance, at < mostOpen)),
    segments.length > 0 &&
      table(`segments-${index}`, 'By segment', [{ name: 'Segment' }, { name: 'State' }, { name: 'Rows', isNumber: true }, { name: 'What drifted' }], segments.map((one) => [foreign(one.segment), driftMark(one.state), count(one.rows), foreign(one.drifted.join(', ') || '–')]), ''),
  )

const featureOf = ({ feature, state, effect, adjustedPValue, findings, cells, rows }: DriftFeatureData, key: string, tolerance: number, mayOpen: boolean): HTMLElement => {
  const amount = numberOf(effect)
  return h(
    'details',
    { class: 'feature', 'data-key': key, open: mayOpen && state === 'drifted' },
    h('summary', {}, h('span', { class: 'name' }, foreign(feature)), driftMark(state), h('span', { class: 'effect' }, bar(amount / Math.max(0.3, 2 * tolerance)), ` ${short(amount)}`), findings.length > 0 && h('span', { class: 'finding' }, foreign(findings.join('; ')))),
    cells.length > 0 && distribution(cells, clean(feature)),
    h('p', { class: 'quiet' }, `${plural(rows, 'row')}; p = ${short(adjustedPValue)} over all features together.`),
  )
}

/** Two bars for each cell: the reference, and now. */
const distribution = (cells: DriftFeatureData['cells'], feature: string): HTMLElement => {
  const most = Math.max(...cells.flatMap(({ before, after }) => [before, after]), 0.01)
  const width = (share: number): number => (100 * share) / most
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `How ${feature} is spread` },
    h(
      'table',
      { class: 'spread' },
      h('caption', {}, h('span', { class: 'key before' }, 'reference'), ' ', h('span', { class: 'key after' }, 'now')),
      h('thead', { class: 'spoken' }, h('tr', {}, h('th', { scope: 'col' }, 'Value'), h('th', { scope: 'col' }, 'Shares'), h('th', { scope: 'col' }, 'Reference'), h('th', { scope: 'col' }, 'Now'))),
      h(
        'tbody',
        {},
        cells.map(({ cell, before, after }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, foreign(cell)),
            h('td', {}, svg('svg', { viewBox: '0 0 100 14', preserveAspectRatio: 'none', 'aria-hidden': true }, svg('rect', { class: 'before', x: 0, y: 1, height: 5, width: width(before) }), svg('rect', { class: 'after', x: 0, y: 8, height: 5, width: width(after) }))),
            h('td', { class: 'number' }, percent(before)),
            h('td', { class: 'number' }, percent(after)),
          ),
        ),
      ),
    ),
  )
}

// ---- what went wrong

const wrong = ({ at, predictors, shadows }: DashboardData): HTMLElement =>
  section(
    'wrong',
    'What went wrong lately?',
    predictors.map(({ name, errors, failures, fallbacks, slowest, notices }, index) =>
      h(
        'article',
        { 'data-key': `wrong-${index}`, 'aria-label': clean(name) },
        h('h3', {}, foreign(name)),
        table(`errors-${index}`, 'Errors since it watches', [{ name: 'Error' }, { name: 'Calls', isNumber: true }, { name: 'Last' }, { name: 'Prediction' }], errors.map(({ error, rows, lastAt, lastId }) => [h('code', {}, clean(error)), count(rows), time(lastAt, at), opener(lastId, clean(lastId))]), 'No call has failed.'),
        lines(`failures-${index}`, 'The latest calls that failed', failures, at),
        lines(`fallbacks-${index}`, 'The latest answers of fallbacks, or stale', fallbacks, at),
        lines(`slowest-${index}`, 'The slowest of the last hour', slowest, at),
        notices.length > 0 && h('details', { 'data-key': `notices-${index}` }, h('summary', {}, `${plural(notices.length, 'notice')}: what no caller was told`), h('ul', {}, notices.map((one) => h('li', {}, time(one.at, at), ` ${clean(one.layer)}: `, foreign(one.message))))),
      ),
    ),
    shadows.map(({ name, rate, rows, agreement, candidateFailed, worst }, index) =>
      h(
        'article',
        { 'data-key': `shadow-${index}`, 'aria-label': `Shadow ${clean(name)}` },
        h('h3', {}, 'Shadow ', foreign(name)),
        h('p', { class: 'quiet' }, `It sees ${percent(rate)} of the calls; ${plural(rows, 'row')} compared, ${percent(agreement)} agree, ${count(candidateFailed)} failed for the candidate only.`),
        table(`worst-${index}`, 'The largest disagreements', [{ name: 'Prediction' }, { name: 'Part' }, { name: 'Tolerances apart', isNumber: true }, { name: 'Served' }, { name: 'Candidate' }], worst.map((one) => [opener(one.id, clean(one.id)), foreign(one.part), short(one.size), foreign(one.primary), foreign(one.candidate)]), 'None.'),
      ),
    ),
  )

const lines = (key: string, caption: string, predictions: readonly PredictionLine[], at: number): HTMLElement =>
  h(
    'details',
    { 'data-key': `${key}-list` },
    h('summary', {}, `${caption}: ${predictions.length === 0 ? 'none' : count(predictions.length)}`),
    table(
      key,
      caption,
      [{ name: 'Prediction' }, { name: 'When' }, { name: 'Took', isNumber: true }, { name: 'Ended' }, { name: 'Answered by' }, { name: 'Version' }, { name: 'Variant' }],
      predictions.map((one) => [opener(one.id, clean(one.id)), time(one.at, at), ms(one.totalMs), clean(one.error ?? one.outcome), clean(one.source ?? 'nobody'), foreign(one.version), foreign(one.variant)]),
      'None.',
    ),
  )

// ---- what happened

const happened = ({ at, predictors }: DashboardData): HTMLElement => {
  const all: (StateLine & { readonly of: string })[] = predictors.flatMap(({ name, changes }) => changes.map((change) => ({ ...change, of: name }))).sort((a, b) => b.at - a.at)
  return section(
    'happened',
    'What has changed in the service?',
    table('changes', 'Changes of state, the latest first', [{ name: 'When' }, { name: 'Predictor' }, { name: 'Layer' }, { name: 'Subject' }, { name: 'Change' }, { name: 'Why' }], all.slice(0, 100).map((one) => [time(one.at, at), foreign(one.of), clean(one.layer), foreign(one.subject), h('span', {}, foreign(one.from), ' → ', foreign(one.to)), foreign(one.reason)]), 'Nothing has changed since it watches.'),
  )
}
