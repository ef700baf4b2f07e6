"""Posterior of noisy values against numerical integration, and noise found in simulated series."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from habitus.synthesis.noise import Expected, Levels, Noise, estimated

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([-2.0, 0.5, 3.0])
SCALES = np.array([0.4, 1.0, 0.2])
SPREAD = torch.tensor([2.0])


def expected(steps: int = 1) -> Expected:
    parts = (np.log(WEIGHTS), MEANS, SCALES)
    return Expected(*(torch.from_numpy(each).expand(steps, 1, 3) for each in parts))


def particles(y: float, noise: Noise, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Draws given one value, and their moments."""
    seen = torch.full((count, 1), y).double()
    drawn = expected(count).posterior(
        seen,
        torch.ones_like(seen, dtype=torch.bool),
        SPREAD,
        Levels.of([noise]),
        torch.Generator().manual_seed(0),
    )
    return drawn.values[:, 0].numpy(), drawn.moments[0].numpy()


def prior(v: float) -> float:
    return float((WEIGHTS * stats.norm.pdf(v, MEANS, SCALES)).sum())


def integrated(y: float, noise: Noise) -> tuple[float, float, float, float]:
    """p(y), E[v | y], P(modified | y), E[(y - v)^2 | y] by integration over v."""

    def joint(v: float, power: int) -> float:
        return v**power * prior(v) * stats.norm.pdf(y, v, noise.sigma)

    points = sorted({y, *MEANS.tolist()})
    noisy = [
        integrate.quad(joint, -15, 15, args=(k,), points=points, limit=400)[0] for k in (0, 1, 2)
    ]
    kept = (1 - noise.share) * prior(y)
    evidence = kept + noise.share * noisy[0]
    squares = y**2 * noisy[0] - 2 * y * noisy[1] + noisy[2]
    return (
        evidence,
        (kept * y + noise.share * noisy[1]) / evidence,
        *(noise.share * each / evidence for each in (noisy[0], squares)),
    )


@pytest.mark.parametrize(
    "noise", [Noise(0.5), Noise(2.0, 0.3), Noise(0.1, 0.9), Noise(1.0, 0.05)], ids=str
)
def test_evidence_draws_and_moments_are_the_integrals(noise):
    y = np.array([-4.0, -2.0, -0.7, 0.5, 2.1, 3.05, 5.0])
    given = torch.from_numpy(y)[:, None]
    evidence = expected(len(y)).log_evidence(given, SPREAD, Levels.of([noise]))[:, 0].numpy()
    for at, found in zip(y, evidence, strict=True):
        truth, mean, modified, squares = integrated(at, noise)
        drawn, moments = particles(at, noise)
        assert found == pytest.approx(math.log(truth), abs=1e-4)
        assert drawn.mean() == pytest.approx(
            mean, abs=5 * drawn.std() / math.sqrt(len(drawn)) + 1e-3
        )
        np.testing.assert_allclose(moments, [1, modified, squares], atol=1e-3)


def test_single_values_draw_what_is_near_them_and_leave_what_is_on_them():
    """Components of width 0: a value on one is unmodified; one between goes to the likelier one."""
    parts = Expected(
        torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[[0.0, 1.0]]]), torch.zeros(1, 1, 2)
    )
    noise = Noise(0.1, 0.5)
    for y, wanted in ((1.0, 1.0), (0.93, 1.0), (-0.05, 0.0), (0.5, 0.5)):
        many = Expected(
            *(each.expand(4000, 1, 2) for each in (parts.log_weights, parts.mean, parts.scale))
        )
        seen = torch.full((4000, 1), y)
        known = torch.ones(4000, 1, dtype=torch.bool)
        levels = Levels.of([noise])
        generator = torch.Generator().manual_seed(0)
        found = many.posterior(seen, known, torch.tensor([1.0]), levels, generator).values
        assert found.mean().item() == pytest.approx(wanted, abs=0.03)


def test_without_noise_a_value_stays():
    for y in (-3.0, 0.0, 2.0):
        np.testing.assert_allclose(particles(y, Noise(1e-6, 0.5), 100)[0], y, atol=1e-5)


def test_what_was_not_seen_is_drawn_from_what_is_expected():
    seen = torch.full((40_000, 1), 99.0).double()
    known = torch.zeros(40_000, 1, dtype=torch.bool)
    found = expected(40_000).posterior(
        seen, known, SPREAD, Levels.of([Noise(1.0)]), torch.Generator().manual_seed(0)
    )
    assert found.values.mean().item() == pytest.approx(float(WEIGHTS @ MEANS), abs=0.05)
    assert not found.log_evidence.any()
    assert not found.moments.any()


def made(sigma: float, share: float, steps: int = 1500) -> tuple[Expected, torch.Tensor]:
    """Values that are each expected to within 0.3, and what was seen of them."""
    rng = np.random.default_rng(4)
    centre = 2 * rng.normal(size=steps)
    y = (
        centre
        + 0.3 * rng.normal(size=steps)
        + sigma * rng.normal(size=steps) * (rng.random(steps) < share)
    )
    shape = (steps, 1, 1)
    parts = (torch.zeros(shape), torch.from_numpy(centre).reshape(shape), torch.full(shape, 0.3))
    return Expected(*(part.double() for part in parts)), torch.from_numpy(y)[:, None]


@pytest.mark.parametrize(("sigma", "share"), [(1.0, 1.0), (3.0, 0.2), (1.5, 0.4), (2.0, 0.05)])
def test_noise_is_found(sigma, share):
    parts, y = made(sigma, share)
    found = estimated(parts, y, torch.ones_like(y, dtype=torch.bool), SPREAD)
    assert found.sigma == pytest.approx(sigma, rel=0.25)
    assert found.share == pytest.approx(share, rel=0.5)


def test_no_noise_is_found_where_there_is_none():
    parts, y = made(0.0, 1.0)
    assert estimated(parts, y, torch.ones_like(y, dtype=torch.bool), SPREAD) == Noise(0.0)


def test_what_was_not_seen_says_nothing_of_noise():
    parts, y = made(0.0, 1.0)
    seen = torch.arange(len(y))[:, None] % 3 > 0
    assert estimated(parts, torch.where(seen, y, 1e3), seen, SPREAD) == Noise(0.0)


IMPOSSIBLE = [
    {"sigma": -1.0},
    {"sigma": float("nan")},
    {"sigma": float("inf")},
    {"sigma": 1.0, "share": 0.0},
    {"sigma": 1.0, "share": 1.1},
]


@pytest.mark.parametrize("settings", IMPOSSIBLE, ids=str)
def test_impossible_noise_is_refused(settings):
    with pytest.raises(ValueError, match=r"noise must be|share of noisy values") as error:
        Noise(**settings)
    assert "\n" not in str(error.value)
