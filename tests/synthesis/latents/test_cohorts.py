"""Cohorts: known groups are recovered, noise has none, and users drawn from one are like it."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from torch import Generator
from torch.distributions import Exponential, Independent, Normal

from habitus.evaluation.habits import habits_of, middle
from habitus.evaluation.metrics.summary import summarise
from habitus.models.base import LatentModel
from habitus.profiles.sparse import Profiles
from habitus.run import Run, fingerprint
from habitus.schema import Axes
from habitus.synthesis.generation import GenerateConfig, generate, zero_threshold
from habitus.synthesis.latents.cohorts import (
    around,
    kmeans,
    load_cohorts,
    mix,
    remembered,
    save_cohorts,
)
from habitus.synthesis.latents.cohorts.clustering import cluster
from habitus.synthesis.latents.cohorts.names import name_groups

AXES = Axes(dt.date(2018, 2, 5), 8, 120, ("web", "phone"))
DAYS, SLOTS, CHANNELS = AXES.shape
MORNING = np.arange(SLOTS) < SLOTS // 2
EARLY = np.arange(DAYS) < DAYS // 2
STEEP = 3.0  # slope by a latent: shares of morning, web and early days from about 0.05 to 0.95


class Halves(LatentModel):
    """Three latents give the shares of morning, web and first days; one does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.axes = AXES
        self.weight = torch.nn.Parameter(torch.tensor([STEEP]))

    latents = 4
    unit = "peak"
    exact_zeros = False

    def encode(self, x):
        total = x.sum((1, 2, 3)).clamp_min(1e-6)
        parts = x[:, :, MORNING].sum((1, 2, 3)), x[..., 0].sum((1, 2)), x[:, EARLY].sum((1, 2, 3))
        z = torch.stack([(part / total - 0.5) * STEEP for part in parts] + [torch.zeros(len(x))], 1)
        scale = torch.tensor([0.1, 0.1, 0.1, 1.0]).expand_as(z)
        return Independent(Normal(z, scale), 1)

    def decode(self, z):
        shares = (z[:, :3] / STEEP + 0.5).clamp(0.01, 0.99)
        morning, web, early = (share[:, None, None, None] for share in shares.T)
        rate = torch.where(torch.from_numpy(MORNING)[None, None, :, None], morning, 1 - morning)
        rate = rate * torch.where(torch.arange(CHANNELS) == 0, web, 1 - web)
        rate = rate * torch.where(torch.from_numpy(EARLY)[None, :, None, None], early, 1 - early)
        return Independent(Exponential(2 / rate), 3)

    def draw(self, z, generator):
        uniform = torch.rand((len(z), *AXES.shape), generator=generator)
        return -torch.log1p(-uniform) * self.decode(z).mean  # inverse of the distribution function

    def loss(self, x, generator):
        raise NotImplementedError


def people(groups, seed=0):
    """Counts of users whose shares of the morning, the web and the early days are given."""
    rng = np.random.default_rng(seed)
    counts = []
    for users, morning, web, early in groups:
        rate = np.where(MORNING, morning, 1 - morning)[None, :, None] * np.array([web, 1 - web])
        rate = rate * np.where(EARLY, early, 1 - early)[:, None, None]
        counts.append(rng.poisson(2 * rate, (users, *AXES.shape)))
    made = np.concatenate(counts)
    made[:, 3, 0, 0] += made.sum((1, 2, 3)) == 0
    truth = np.repeat(np.arange(len(groups)), [group[0] for group in groups])
    order = rng.permutation(len(made))
    return Profiles.from_dense(AXES, made[order]), truth[order]


GROUPS = ((300, 0.95, 0.5, 0.5), (200, 0.05, 0.95, 0.5), (120, 0.05, 0.05, 0.95))


@pytest.fixture(scope="module")
def run():
    return Run(Halves(), None, {}, {}, {"active_share": [0.9] * DAYS, "profiles": 620})


@pytest.fixture(scope="module")
def known():
    return people(GROUPS)


@pytest.fixture(scope="module")
def found(run, known):
    return cluster(run, known[0])


def blobs(sizes, dims=3, seed=0):
    rng = np.random.default_rng(seed)
    centres = 10 * np.eye(len(sizes), dims) + 20 * np.eye(len(sizes), dims, -3)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return centres[truth] + rng.normal(size=(len(truth), dims)), truth


@pytest.mark.parametrize(
    "sizes", [(60, 60), (200, 150, 100), (90, 80, 70, 60), (50, 40, 60, 70, 80, 90)]
)
def test_separated_groups_are_found_whatever_their_number(sizes):
    z, truth = blobs(sizes)
    made = kmeans.cluster_latents(z, "auto", seed=0)
    assert adjusted_rand_score(truth, made.labels) == 1
    np.testing.assert_array_equal(np.bincount(made.labels), sorted(sizes, reverse=True))
    assert made.reason.startswith(f"k = {len(sizes)} ")
    assert made.stability.min() > 0.99
    np.testing.assert_allclose(made.distance, np.linalg.norm(z - made.centres[made.labels], axis=1))
    means = [z[made.labels == at].mean(0) for at in range(len(sizes))]
    np.testing.assert_allclose(made.centres, means, atol=1e-6)


def test_the_rand_index_alone_would_cut_one_of_many_groups():
    """What the second part of the rule is for: one cluster too many barely shows in the first."""
    made = kmeans.cluster_latents(blobs((90, 80, 70, 60, 50, 40))[0], "auto", seed=0)
    more = next(each for each in made.tried if each.k == len(made.centres) + 1)
    assert more.stability >= kmeans.STABLE
    assert more.weakest < kmeans.SURE


def test_noise_has_no_stable_groups():
    z = np.random.default_rng(0).normal(size=(1500, 6))
    made = kmeans.cluster_latents(z, "auto", seed=0)
    assert not any(each.is_stable for each in made.tried)
    assert max(each.stability for each in made.tried) < 0.6
    assert made.reason.startswith("No k is stable")
    assert len(made.centres) == max(made.tried, key=lambda each: each.stability).k


def test_jaccard_against_sets():
    rng = np.random.default_rng(1)
    reference = rng.integers(0, 4, 60)
    labels = rng.integers(0, 6, 60)
    expected = []
    for group in range(4):
        mine = set(np.flatnonzero(reference == group))
        theirs = [set(np.flatnonzero(labels == other)) for other in range(6)]
        expected.append(max(len(mine & other) / len(mine | other) for other in theirs))
    np.testing.assert_allclose(kmeans.jaccards(reference, labels, 4), expected)


def test_least_similar_cluster_counts_both_ways():
    one = np.array([0, 1, 1, 1, 1, 0])
    other = np.array([0, 1, 0, 0, 0, 0])
    ways = [kmeans.jaccards(one, other, 2).min(), kmeans.jaccards(other, one, 2).min()]
    assert ways[0] != ways[1]
    assert kmeans.least_similar(one, other, 2) == kmeans.least_similar(other, one, 2) == min(ways)


def test_centres_of_many_users_are_fitted_to_some_and_everybody_belongs_to_one(monkeypatch):
    monkeypatch.setattr(kmeans, "FITTED", 200)
    z, truth = blobs((500, 400, 300))
    made = kmeans.cluster_latents(z, "auto", seed=0)
    assert adjusted_rand_score(truth, made.labels) == 1
    assert len(made.labels) == 1200


def test_number_of_clusters_as_asked():
    z, _ = blobs((30, 20, 10))
    assert len(kmeans.cluster_latents(z, 1, 0).centres) == 1
    assert kmeans.cluster_latents(z, 1, 0).tried[0].silhouette is None
    assert np.bincount(kmeans.cluster_latents(z, 60, 0).labels).tolist() == [1] * 60
    twins = np.repeat(z[:3], 20, axis=0)
    assert [each.k for each in kmeans.cluster_latents(twins, "auto", 0).tried] == [2, 3]
    assert len(kmeans.cluster_latents(np.ones((30, 2)), "auto", 0).centres) == 1
    for k, users, message in [
        (0, z, "from 1 to the number of profiles, 60"),
        (61, z, "got 61"),
        ("many", z, "auto or a number"),
        ("auto", z[:19], "at least 20 profiles"),
        (4, twins, "at most 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            kmeans.cluster_latents(users, k, 0)


def test_known_groups_of_users_are_found(found, known):
    profiles, truth = known
    labels = found.members["cohort"].to_numpy()
    assert adjusted_rand_score(truth, labels) == 1
    assert found.dims.tolist() == [0, 1, 2]
    assert [group.size for group in found.groups] == [300, 200, 120]
    assert [group.share for group in found.groups] == [300 / 620, 200 / 620, 120 / 620]
    assert [group.number for group in found.groups] == [0, 1, 2]
    assert [group.name for group in found.groups] == [
        "nights, morning",
        "more web, afternoon",
        "few active days, bursts",
    ]
    assert found.members["user"].equals(profiles.users["user"])
    habits = habits_of(profiles, "peak")
    for group in found.groups:
        mine = profiles.in_unit("peak").dense(np.flatnonzero(labels == group.number))
        np.testing.assert_allclose(group.picture, mine.mean(0), rtol=1e-5)
        np.testing.assert_allclose(group.active_share, (mine.max((2, 3)) > 0).mean(0))
        for habit in ("active days", "share of web", "night share"):
            assert group.habits[habit] == np.median(habits[habit][labels == group.number])
    assert found.usual["total activity"] == pytest.approx(np.median(habits["total activity"]))


def test_the_same_seed_gives_the_same_cohorts(run, known, found):
    again = cluster(run, known[0])
    assert again.members.equals(found.members)
    for one, other in zip(again.groups, found.groups, strict=True):
        assert (one.name, one.stability) == (other.name, other.stability)
        assert torch.equal(one.mixture.means, other.mixture.means)


def test_names_differ():
    usual = {"peak hour": 12.0, "active days": 5.0}
    spreads = {"peak hour": 3.0, "active days": 2.0}
    evening = {"peak hour": 20.0, "active days": 5.1}
    assert name_groups([evening, evening, usual], usual, spreads) == [
        "evening",
        "evening (2)",
        "like everybody",
    ]
    third = {"peak hour": 20.0, "night share": 0.5, "burstiness": 0.9, "active days": 9.0}
    fourth = third | {"active days": 1.0}
    usual = {"peak hour": 12.0, "night share": 0.1, "burstiness": 0.0, "active days": 5.0}
    spreads = {"peak hour": 1.0, "night share": 0.1, "burstiness": 0.5, "active days": 4.0}
    found = name_groups([third, fourth], usual, spreads)
    assert found == ["evening, nights, bursts", "evening, nights, bursts (2)"]
    first = {"peak hour": 20.0, "night share": 0.4}
    second = {"peak hour": 19.0, "night share": 0.9}
    usual = {"peak hour": 12.0, "night share": 0.1}
    spreads = {"peak hour": 1.0, "night share": 0.1}
    assert name_groups([first, second], usual, spreads) == [
        "evening, nights",
        "nights, evening (2)",
    ]


def test_a_channel_used_less_is_not_told_where_another_is_used_more():
    usual = {"share of web": 0.5, "share of tv": 0.5}
    spreads = {"share of web": 0.1, "share of tv": 0.1}
    assert name_groups([{"share of web": 0.9, "share of tv": 0.1}], usual, spreads) == ["more web"]


def test_users_of_a_cohort_are_like_it(run, found):
    for group in found.groups:
        made = generate(run, 400, 3, prior=mix(run, found, {group.number: 1}))
        assert set(made.users["cohort"].to_pylist()) == {group.number}
        drawn = {name: middle(name, values) for name, values in habits_of(made, "peak").items()}
        for habit in ("share of web", "share of phone"):
            usual = found.usual[habit]
            assert abs(drawn[habit] - group.habits[habit]) < max(
                0.5 * abs(drawn[habit] - usual), 0.1
            ), habit
        nearest = nearest_cohort(run, found, made)
        assert (nearest == group.number).mean() > 0.95


def nearest_cohort(run, found, profiles):
    z = run.model.encode(torch.from_numpy(profiles.dense())).mean[:, found.dims].numpy()
    centres = np.stack([group.centre for group in found.groups])
    return ((z[:, None] - centres) ** 2).sum(-1).argmin(1)


def test_zeros_are_as_frequent_as_in_the_cohort(run, found):
    """Cohort 2 is hardly active in the last days; 9 in 10 training users are on every day."""
    group = found.groups[2]
    assert group.active_share[~EARLY].mean() < 0.8
    made = generate(run, 2000, prior=mix(run, found, {2: 1}))
    mine = np.abs(summarise(made).active.mean(0) - group.active_share).mean()
    theirs = generate(run, 2000, prior=group.mixture)
    assert mine < 0.1
    assert mine < np.abs(summarise(theirs).active.mean(0) - group.active_share).mean()


@pytest.mark.parametrize("threshold", [None, 0.0, 0.9])
def test_weights_hold_for_the_users_that_are_kept(run, found, threshold):
    """Inactive users are drawn again; at 0.9 nearly all of cohort 0, whose activity is spread."""
    source = mix(run, found, {0: 1.5, 2: 0.5})
    if threshold == 0.9:
        drawn = [
            run.model.sample(500, Generator().manual_seed(0), part.prior) for part in source.parts
        ]
        active = [(x.amax((1, 2, 3)) > threshold).float().mean() for x in drawn]
        assert active[0] < 0.5 * active[1]
    made = generate(run, 1500, 2, prior=source, threshold=threshold)
    cohort = made.users["cohort"].to_numpy()
    assert stats.binomtest(int((cohort == 0).sum()), len(cohort), 0.75).pvalue > 1e-3
    assert set(cohort.tolist()) == {0, 2}
    assert (made.dense().max((1, 2, 3)) > 0).all()
    assert made.users["user"].to_pylist() == list(range(1500))
    if threshold is None:
        assert (nearest_cohort(run, found, made) == cohort).mean() > 0.95
        assert len(made.about["zero_thresholds"]) == 2
        assert made.about["zero_threshold"] == pytest.approx(
            np.dot([0.75, 0.25], made.about["zero_thresholds"])
        )
    assert [each["number"] for each in made.about["cohorts"]] == [0, 2]


def test_the_same_seed_gives_the_same_users_and_more_users_begin_with_them(run, found):
    source = mix(run, found, {0: 1, 1: 1})
    one, again, more = (
        generate(run, users, 5, prior=source, threshold=0.3) for users in (300, 300, 2500)
    )
    np.testing.assert_array_equal(one.cells, again.cells)
    np.testing.assert_array_equal(one.values, again.values)
    np.testing.assert_array_equal(more.dense(slice(0, 300)), one.dense())
    other = generate(run, 300, 6, prior=source, threshold=0.3)
    assert len(other.cells) != len(one.cells) or (other.cells != one.cells).any()


def test_users_around_given_ones(run, found):
    few, _ = people([(80, 0.05, 0.95, 0.5)], seed=9)
    source = around(run, few)
    made = generate(run, 1000, prior=source)
    assert (nearest_cohort(run, found, made) == 1).mean() > 0.95
    np.testing.assert_allclose(source.parts[0].active_share, summarise(few).active.mean(0))
    assert np.abs(summarise(made).active.mean(0) - summarise(few).active.mean(0)).mean() < 0.1
    assert "cohort" not in made.users.column_names
    assert made.about["like"] == 80


def test_of_many_users_some_are_drawn_around(run, known, monkeypatch):
    monkeypatch.setattr("habitus.synthesis.latents.cohorts.sources.MOST_LIKE", 25)
    one, again, other = (around(run, known[0], seed).parts[0].prior.means for seed in (0, 0, 1))
    assert len(one) == 25
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_small_cohort_has_a_component_for_each_user(run):
    profiles, _ = people([(200, 0.95, 0.5, 0.5), (8, 0.05, 0.05, 0.95)])
    found = cluster(run, profiles, 2)
    assert [group.size for group in found.groups] == [200, 8]
    assert len(found.groups[1].mixture.means) == 8
    assert (
        nearest_cohort(run, found, generate(run, 300, prior=mix(run, found, {1: 1}))) == 1
    ).mean() > 0.95


def test_saved_and_loaded(found, run, tmp_path):
    path = tmp_path / "cohorts"
    found = replace(found, usual=found.usual | {"night share": float("nan")})
    save_cohorts(path, found)
    again = load_cohorts(path)
    assert again.members.equals(found.members)
    np.testing.assert_equal(again.usual, found.usual)
    np.testing.assert_equal(again.dims, found.dims)
    same = ("axes", "tried", "rule", "reason", "seed", "fingerprint", "users")
    assert [getattr(again, name) for name in same] == [getattr(found, name) for name in same]
    for one, other in zip(again.groups, found.groups, strict=True):
        for name in ("number", "name", "size", "share", "stability", "habits"):
            assert getattr(one, name) == getattr(other, name)
        np.testing.assert_allclose(one.picture, other.picture, rtol=1e-6)
        np.testing.assert_array_equal(one.active_share, other.active_share)
        np.testing.assert_array_equal(one.centre, other.centre)
    one, other = (generate(run, 100, prior=mix(run, each, {0: 1, 1: 2})) for each in (found, again))
    np.testing.assert_array_equal(one.dense(), other.dense())


def test_what_is_damaged_is_told(found, tmp_path):
    path = tmp_path / "cohorts"
    save_cohorts(path, found)
    words = (path / "cohorts.json").read_text()
    (path / "cohorts.json").write_text(words.replace('"name"', '"called"'))
    with pytest.raises(
        ValueError, match=r"damaged .*expected cohorts\[0\].name, which is not there"
    ):
        load_cohorts(path)
    (path / "cohorts.json").write_text(words[:50])
    with pytest.raises(ValueError, match="not readable JSON"):
        load_cohorts(path)
    (path / "cohorts.json").write_text(words)
    (path / "cohorts.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="missing or damaged"):
        load_cohorts(path)
    with pytest.raises(ValueError, match="expected a folder of habitus cohorts"):
        load_cohorts(tmp_path)


def test_what_cannot_be_is_refused(run, found, known):
    profiles = known[0]
    for weights, message in [
        ({3: 1}, "no cohort 3; there are 3, numbered from 0"),
        ({-1: 1}, "no cohort -1"),
        ({0: 0}, "above 0, got 0 for cohort 0"),
        ({0: float("nan")}, "above 0, got nan"),
        ({}, "at least one cohort"),
        ({0: 1e308, 1: 1e308}, "too large to be added"),
    ]:
        with pytest.raises(ValueError, match=message):
            mix(run, found, weights)
    other = Halves()
    torch.nn.init.constant_(other.weight, 2.0)
    assert fingerprint(other) != fingerprint(run.model)
    with pytest.raises(ValueError, match="of another run"):
        mix(replace(run, model=other), found, {0: 1})
    with pytest.raises(ValueError, match="has no cohorts; run habitus cluster first"):
        remembered(run)
    short = Profiles.from_dense(replace(AXES, days=7), profiles.dense()[:, :7])
    for refused in (lambda: cluster(run, short), lambda: around(run, short)):
        with pytest.raises(ValueError, match="days differ"):
            refused()
    nobody = profiles.take([])
    with pytest.raises(ValueError, match="got none"):
        around(run, nobody)
    with pytest.raises(ValueError, match="got 0"):
        cluster(run, nobody)


def test_windows_are_kept(run, known):
    profiles, _ = known
    starts = profiles.users.append_column(
        "window_start", pc.cast(profiles.users["user"], "int32").cast("date32")
    )
    members = cluster(run, replace(profiles, users=starts), 2).members
    assert members.column_names == ["user", "window_start", "cohort", "distance"]


def test_a_model_that_learnt_nothing_has_no_cohorts(run, known):
    class Blind(Halves):
        def encode(self, x):
            return Independent(Normal(torch.zeros(len(x), 4), torch.ones(len(x), 4)), 1)

    with pytest.raises(ValueError, match="no latent dimension of this run tells users apart"):
        cluster(replace(run, model=Blind()), known[0])


def test_one_part_is_drawn_as_a_named_prior(run):
    """The threshold that a population is drawn with, and the one that is told beforehand."""
    made = generate(run, 100, prior="normal")
    assert made.about["prior"] == "normal"
    assert made.about["zero_threshold"] == zero_threshold(run, GenerateConfig(100, prior="normal"))
    assert "zero_thresholds" not in made.about
