"""Features of the two-sample test against a slow version on one dense profile at a time."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dense_profiles import DenseSource, normalised
from habitus.evaluation.two_sample import features
from habitus.evaluation.two_sample.features import busiest_channels

NAN = float("nan")


def mean(values):
    return float(np.mean(values)) if len(values) else NAN


def sd(values):
    return float(np.std(values)) if len(values) else NAN


def largest(values):
    return float(max(values)) if len(values) else NAN


def over(top, bottom):
    return top / bottom if bottom > 0 else NAN


def entropy(counts):
    shares = [count / sum(counts) for count in counts if count > 0]
    return -sum(share * np.log(share) for share in shares)


def runs(active):
    """Lengths of unbroken activity, and of the breaks between."""
    times = [time for time, on in enumerate(active) if on]
    lengths = []
    breaks = []
    for at, time in enumerate(times):
        if at and time == times[at - 1] + 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
            if at:
                breaks.append(time - times[at - 1] - 1)
    return lengths, breaks


def steps(totals):
    return [abs(np.log1p(b) - np.log1p(a)) for a, b in pairwise(totals) if a > 0 and b > 0]


def autocorrelation(series, lag):
    x = np.asarray(series, float) - np.mean(series)
    if lag >= len(x) or (x**2).sum() < 1e-9:
        return NAN
    return sum(x[t] * x[t + lag] for t in range(len(x) - lag)) / (x**2).sum()


def jaccard(pairs):
    return mean([np.sum(a & b) / np.sum(a | b) for a, b in pairs])


def slow(x, axes, chosen):
    """All features of one profile [D, S, C]."""
    found = (
        amounts(x, axes)
        | hours(x, axes)
        | weekdays(x, axes)
        | days(x)
        | lasting(x)
        | slots(x)
        | alike(x)
    )
    if x.shape[2] > 1:
        found |= channels(x, axes, chosen) | together(x, axes, chosen)
    return found


def amounts(x, axes):
    cells = x[x > 0]
    slot = x.sum(2)
    day = x.sum((1, 2))
    found = {
        "log total": np.log1p(x.sum()),
        "active cells": len(cells),
        "active slots": np.sum(slot > 0),
        "active days": np.sum(day > 0),
        "mean of a cell": mean(cells),
        "mean log of a cell": mean(np.log1p(cells)),
        "sd of log of a cell": sd(np.log1p(cells)),
        "log largest cell": np.log1p(largest(cells)),
        "share of the largest cell": over(largest(cells), x.sum()),
        "log largest slot": np.log1p(largest(slot[slot > 0])),
        "log largest day": np.log1p(largest(day[day > 0])),
        "share of the largest day": over(largest(day[day > 0]), x.sum()),
        "concentration on days": over((day**2).sum(), x.sum() ** 2),
    }
    if axes.unit == "count":
        found |= {f"share of cells of {size}": mean(cells == size) for size in (1, 2, 3, 4, 5)}
        found["different counts"] = len(set(cells.tolist()))
    return found


def hours(x, axes):
    bins = min(axes.slots, 24)
    used = np.zeros(bins)
    events = np.zeros(bins)
    for day in x:
        for slot, values in enumerate(day):
            if values.sum() > 0:
                used[slot * bins // axes.slots] += 1
                events[slot * bins // axes.slots] += values.sum()
    found = {}
    for at in range(bins):
        name = axes.slot_label(at * axes.slots // bins)
        found[f"slots at {name}"] = over(used[at], used.sum())
        found[f"total at {name}"] = over(events[at], x.sum())
    return found | {"different hours": np.sum(used > 0), "entropy of hours": entropy(used)}


def weekdays(x, axes):
    if axes.weekday(0) is None:
        return {}
    day = x.sum((1, 2))
    found = {}
    for weekday, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        on = [total for at, total in enumerate(day) if axes.weekday(at) == weekday]
        found[f"days on {name}"] = over(np.sum(np.array(on) > 0), np.sum(day > 0))
        found[f"total on {name}"] = over(sum(on), x.sum())
    return found


def days(x):
    day = x.sum((1, 2))
    active = np.flatnonzero(day).astype(float)
    some = len(active) > 0
    found = {
        "first active day": min(active) if some else NAN,
        "last active day": largest(active),
        "share of active days between them": len(active) / (active[-1] - active[0] + 1)
        if some
        else NAN,
        "mean active day": mean(active),
        "sd of active days": sd(active),
        "mean day, by total": over(sum(at * total for at, total in enumerate(day)), x.sum()),
        "sd of daily totals": np.std(day) if some else NAN,
        "sd of log daily totals": np.std(np.log1p(day)),
        "sd of log totals of active days": sd(np.log1p(day[day > 0])),
        "burstiness of days": over(np.std(day) - np.mean(day), np.std(day) + np.mean(day)),
        "step between neighbouring days": mean(steps(day)),
    }
    for lag in (1, 2, 7):
        found[f"autocorrelation of days, lag {lag}"] = autocorrelation(day, lag)
        found[f"autocorrelation of active days, lag {lag}"] = autocorrelation(day > 0, lag)
    return found


def lasting(x):
    found = {}
    for name, totals in (("days", x.sum((1, 2))), ("slots", x.sum(2).reshape(-1))):
        for kind, lengths in zip(("run", "silence"), runs(totals > 0), strict=True):
            found |= {
                f"{kind}s of {name}": len(lengths),
                f"longest {kind} of {name}": largest(lengths),
                f"mean {kind} of {name}": mean(lengths),
                f"sd of {kind}s of {name}": sd(lengths),
                f"mean log {kind} of {name}": mean(np.log(lengths)),
                f"share of {kind}s of 1 of {name}": mean(np.array(lengths) == 1),
            }
    return found


def slots(x):
    slot = x.sum(2)
    per_day = [n for n in np.sum(slot > 0, axis=1) if n]
    line = slot.reshape(-1)
    waits = np.diff(np.flatnonzero(line))
    first = [int(np.flatnonzero(day)[0]) for day in slot if day.any()]
    midnight = sum(slot[at, -1] > 0 and slot[at + 1, 0] > 0 for at in range(len(slot) - 1))
    return {
        "slots per active day": mean(per_day),
        "sd of slots per active day": sd(per_day),
        "most slots of a day": largest(per_day),
        "share of days of one slot": mean(np.array(per_day) == 1),
        "mean log of a slot": mean(np.log1p(line[line > 0])),
        "sd of log of a slot": sd(np.log1p(line[line > 0])),
        "step between neighbouring slots": mean(steps(line)),
        "burstiness of waits": over(sd(waits) - mean(waits), sd(waits) + mean(waits)),
        "days that go on past midnight": over(midnight, len(per_day)),
        "mean first slot of a day": mean(first),
        "sd of first slot of a day": sd(first),
    }


def alike(x):
    slot = x.sum(2) > 0
    active = [at for at in range(len(slot)) if slot[at].any()]
    following = [(slot[a], slot[b]) for a, b in pairwise(active)]
    later = [(slot[at], slot[at + 7]) for at in active if at + 7 in active]
    return {
        "similarity to the next active day": jaccard(following) if following else NAN,
        "similarity to a week later": jaccard(later) if later else NAN,
    }


def channels(x, axes, chosen):
    found = {}
    totals = x.sum((0, 1))
    for at, name in enumerate(axes.channels):
        found[f"log total: {name}"] = np.log1p(totals[at])
        found[f"share of total: {name}"] = over(totals[at], x.sum())
    for at in chosen:
        part = x[:, :, at]
        cells = part[part > 0]
        active = np.flatnonzero(part.any(axis=1))
        own = {
            "active slots": len(cells),
            "active days": len(active),
            "mean log of a cell": mean(np.log1p(cells)),
            "log largest cell": np.log1p(largest(cells)),
            "slots per active day": over(len(cells), len(active)),
            "longest run of slots": largest(runs(part.reshape(-1) > 0)[0]),
            "first active day": min(active) if len(active) else NAN,
            "last active day": largest(active),
        }
        if axes.unit == "count":
            own["share of cells of 1"] = mean(cells == 1)
        found |= {f"{feature}: {axes.channels[at]}": value for feature, value in own.items()}
    return found | {"channels used": np.sum(totals > 0), "entropy of channels": entropy(totals)}


def together(x, axes, chosen):
    lines = x.reshape(-1, x.shape[2])
    busy = [np.sum(values > 0) for values in lines if values.any()]
    found = {
        "slots of two or more channels": mean(np.array(busy) >= 2),
        "mean channels of a slot": mean(busy),
    }
    for one, other in combinations(chosen, 2):
        a = lines[:, one]
        b = lines[:, other]
        both = (a > 0) & (b > 0)
        names = f"{axes.channels[one]} and {axes.channels[other]}"
        found |= {
            f"{names}: in the same slot": over(np.sum(both), np.sum((a > 0) | (b > 0))),
            f"{names}: equal in a slot": mean(a[both] == b[both]),
            f"{names}: log ratio in a slot": mean(np.log(a[both] / b[both])),
            f"{names}: log difference": np.log1p(abs(a.sum() - b.sum())),
            f"{names}: relative difference": over(a.sum() - b.sum(), a.sum() + b.sum()),
            f"{axes.channels[one]} before {axes.channels[other]} on a day": before(
                x[:, :, one], x[:, :, other]
            ),
        }
    for one in chosen:
        for other in chosen:
            hits = sum(lines[t, one] > 0 and lines[t + 1, other] > 0 for t in range(len(lines) - 1))
            name = f"{axes.channels[other]} in the slot after {axes.channels[one]}"
            found[name] = over(hits, np.sum(lines[:, one] > 0))
    return found


def before(one, other):
    firsts = [
        (int(np.flatnonzero(a)[0]), int(np.flatnonzero(b)[0]))
        for a, b in zip(one, other, strict=True) if a.any() and b.any()
    ]  # fmt: skip
    return mean([a < b for a, b in firsts if a != b])


def pictures(users, days, slots, channels, filled, seed):
    """Small counts in some cells, some profiles empty or with a single cell or day."""
    rng = np.random.default_rng(seed)
    shape = (users, days, slots, channels)
    x = rng.integers(1, 5, shape) * (rng.random(shape) < filled * rng.random((users, 1, 1, 1)) * 2)
    x[rng.random(shape) < 0.01] = 30
    x[[0, -1]] = 0
    x[1] = 0
    x[2, 1:] = 0
    x[3] = 2
    x[1, -1, -1, -1] = 7
    return x.astype(np.uint32)


@pytest.mark.parametrize(
    ("shape", "filled", "fields"),
    [
        ((20, 9, 4, 3), 0.3, {}),
        ((12, 16, 48, 1), 0.2, {"every": 10}),
        ((12, 15, 24, 2), 0.5, {}),
        ((8, 1, 6, 2), 0.5, {}),
        ((8, 8, 1, 3), 0.5, {}),
        ((6, 1, 1, 1), 0.5, {}),
    ],
    ids=["three channels", "half hours, no weekdays", "busy", "one day", "one slot", "one cell"],
)
@pytest.mark.parametrize("unit", ["count", "peak", "binary"])
def test_every_feature_against_the_slow_version(shape, filled, fields, unit):
    x = pictures(*shape, filled, seed=3)
    source = DenseSource(x, chunk=5, **fields)
    names, found = features(source, unit=unit)
    dense = {"count": x.astype(float), "peak": normalised(x), "binary": (x > 0).astype(float)}[unit]
    axes = source.axes.with_unit(unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = [slow(each, axes, range(shape[3])) for each in dense]
    assert set(names) == set(expected[0])
    assert len(names) == len(set(names))
    for column, name in enumerate(names):
        truth = [each[name] for each in expected]
        assert_allclose(found[:, column], truth, rtol=2e-5, atol=2e-6, err_msg=name)


def test_some_rows_and_some_channels():
    source = DenseSource(pictures(20, 9, 4, 3, 0.3, seed=1), chunk=6)
    rows = np.arange(20) % 3 == 1
    names, found = features(source, rows=rows)
    assert_allclose(found, features(source)[1][rows])
    few, _ = features(source, channels=[0, 2])
    assert set(few) < set(names)
    assert "web and <script>: in the same slot" in few
    assert not any(name.startswith("web and phone") for name in few)
    assert "log total: phone" in few


def test_pairs_are_of_the_busiest_channels():
    x = np.zeros((2, 1, 2, 3), np.uint32)
    x[:, :, :, 2] = 1
    x[0, 0, 0, 0] = 9
    source = DenseSource(x)
    assert busiest_channels(source, most=2) == [0, 2]
    assert busiest_channels(source) == [0, 1, 2]
    assert busiest_channels(source, rows=np.array([False, True]), most=1) == [2]


def test_no_profile_at_all():
    names, found = features(DenseSource(np.zeros((0, 3, 4, 2), np.uint32)))
    assert found.shape == (0, len(names))
