"""Variables one after another: against grids, scipy, and a Gaussian whose likelihood is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator

from habitus.models.recurrent.observations import AutoregressiveObservation, MixtureObservation

NOTHING = torch.full((3,), math.nan)
LEVEL = torch.tensor([4.0, 50.0, -3.0])
SPREAD = torch.tensor([2.0, 20.0, 1.0])


def correlated(
    rows: int, variables: int, seed: int = 0
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Steps of a Gaussian whose variables hang together closely, its mean and its covariance."""
    rng = np.random.default_rng(seed)
    mean = np.array([0.0, 30.0, -5.0])[:variables]
    scale = np.array([1.0, 5.0, 0.2])[:variables]
    correlation = np.array([[1, 0.99, -0.9], [0.99, 1, -0.85], [-0.9, -0.85, 1]])[
        :variables, :variables
    ]
    covariance = correlation * np.outer(scale, scale)
    return (
        torch.from_numpy(rng.multivariate_normal(mean, covariance, rows).astype(np.float32)),
        mean,
        covariance,
    )


def made(variables: int, seed: int = 0, size: float = 1.0) -> AutoregressiveObservation:
    """One with connections of some strength."""
    torch.manual_seed(seed)
    model = AutoregressiveObservation(variables)
    values = correlated(4000, variables)[0]
    model.start_from(values)
    model.start_first_from(values)
    with torch.no_grad():
        model.net.outer.normal_(0, 0.3 * size)
    return model


def features(model: AutoregressiveObservation, seed: int = 1, size: float = 0.4) -> torch.Tensor:
    return size * torch.randn(model.features, generator=Generator().manual_seed(seed))


def unconnected(model: AutoregressiveObservation) -> None:
    with torch.no_grad():
        for weight in model.net.parameters():
            weight.zero_()


@pytest.mark.parametrize("first", [False, True])
def test_the_density_of_two_variables_integrates_to_one_and_draws_follow_it(first):
    """On a grid; as later values, and as first ones beside a later one."""
    model = made(2)
    side = 700
    edges = [np.linspace(m - r, m + r, side + 1) for m, r in ((0.0, 9.0), (30.0, 45.0))]
    middles = [(each[1:] + each[:-1]) / 2 for each in edges]
    grid = torch.from_numpy(
        np.stack(np.meshgrid(*middles, indexing="ij"), -1).reshape(-1, 2)
    ).float()
    anchor = torch.tensor([math.nan, 0.0]) if first else torch.zeros(2)
    of = lambda rows: model.relative_to(  # noqa: E731
        model(features(model).expand(rows, -1)),
        anchor,
        torch.tensor([1.0, 0.0]),
        torch.tensor([1.5, 1.0]),
    )
    with torch.no_grad():
        density = of(len(grid)).log_prob(grid).sum(-1).double().exp().numpy()
        drawn = model.draw(of(40_000), Generator().manual_seed(2)).double().numpy()
    mass = density * np.prod([each[1] - each[0] for each in edges])
    assert mass.sum() == pytest.approx(1, abs=5e-3)
    mean = mass @ grid.numpy()
    away = grid.numpy() - mean
    covariance = (mass[:, None] * away).T @ away
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.03 * spread.max())
    np.testing.assert_allclose(
        np.cov(drawn.T) / np.outer(spread, spread), covariance / np.outer(spread, spread), atol=0.04
    )
    for v in (0, 1):
        cdf = np.cumsum(mass.reshape(side, side).sum(1 - v))
        assert (
            stats.kstest(
                drawn[:, v], lambda x, v=v, cdf=cdf: np.interp(x, edges[v][1:], cdf)
            ).statistic
            < 0.02
        )


def test_without_connections_it_is_a_mixture_of_each_variable_alone():
    """The mixture's own class, with the same components."""
    model = made(3)
    values = correlated(50, 3, 1)[0]
    unconnected(model)
    own, predicted, _ = model(features(model)).features
    reference = MixtureObservation(3, model.count)
    reference.mean = model.mean
    reference.scale = model.scale
    parts = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=own[..., 0] + model.net.log_weights[0]),
        torch.distributions.Normal(
            model.mean[:, None]
            + model.scale[:, None]
            * (
                predicted[:, None] * model.net.follows
                + model.net.centres[0]
                + model.net.widths[0] * own[..., 1]
            ),
            model.scale[:, None]
            * (
                model.net.widths[0]
                * torch.nn.functional.softplus(own[..., 2] + math.log(math.e - 1))
                + 3e-3
            ),
        ),
    )
    p = model(features(model).expand(50, -1))
    torch.testing.assert_close(p.log_prob(values), parts.log_prob(values), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(p.mean[0], parts.mean, rtol=1e-4, atol=1e-4)
    drawn = model.draw(
        model(features(model).expand(20_000, -1)), Generator().manual_seed(0)
    ).detach()
    assert np.abs(np.corrcoef(drawn.numpy().T) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("anchor", [torch.zeros(3), NOTHING], ids=["later", "first"])
def test_a_factor_depends_on_the_variables_before_it_and_on_nothing_else(anchor):
    model = made(3)
    p = model.relative_to(model(features(model)), anchor, LEVEL, SPREAD)

    def parameters(values: torch.Tensor) -> torch.Tensor:
        found = p.factors(values)
        parts = found.component_distribution
        return torch.stack(
            [found.mixture_distribution.logits, parts.mean, parts.stddev], -1
        ).flatten(1)

    moved = (
        torch.autograd.functional.jacobian(parameters, LEVEL + 0.3).abs().sum(1)
    )  # [factor, value]
    assert torch.equal(moved > 0, torch.ones(3, 3).tril(-1).bool())


def test_one_pass_gives_the_factors_that_going_through_the_variables_gives():
    model = made(3)
    values = correlated(20, 3, 2)[0]
    p = model(features(model).expand(20, -1))
    seen = []

    def choose(at, factor):
        seen.append(factor.log_prob(values[..., at]))
        return values[..., at]

    torch.testing.assert_close(p.in_turn(choose), values)
    torch.testing.assert_close(torch.cat(seen, -1), p.log_prob(values), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [0, 150])
def test_a_closely_correlated_gaussian_is_known_to_within_a_fiftieth_of_a_nat(steps):
    """From least squares alone, but for the shape of its mixtures, and then fitted."""
    values, mean, covariance = correlated(8000, 3)
    torch.manual_seed(0)
    model = AutoregressiveObservation(3)
    model.start_from(values)
    own = torch.nn.Parameter(torch.zeros(model.features))
    optimiser = torch.optim.Adam([own, *model.parameters()], 5e-3)
    for step in range(steps):
        optimiser.zero_grad()
        (-model(own).log_prob(values[1000 * (step % 8) :][:1000]).sum(-1).mean()).backward()
        optimiser.step()
    other = correlated(20_000, 3, 9)[0]
    with torch.no_grad():
        found = float(model(own).log_prob(other).sum(-1).mean())
    exact = stats.multivariate_normal(mean, covariance).logpdf(other.numpy()).mean()
    assert found == pytest.approx(exact, abs=0.02 if steps else 0.05)
    spreads = np.sqrt(np.diag(covariance))
    independent = sum(
        stats.norm(m, s).logpdf(other[:, v].numpy()).mean()
        for v, (m, s) in enumerate(zip(mean, spreads, strict=True))
    )
    assert exact > independent + 2


def test_a_value_that_was_not_seen_has_no_density_and_tells_nothing():
    model = made(3)
    values = correlated(30, 3, 3)[0]
    p = model(features(model).expand(30, -1))
    observed = torch.ones(30, 3, dtype=torch.bool)
    observed[:, 1] = False
    with torch.no_grad():
        found = model.log_prob(p, values, observed)
        rubbish = model.log_prob(p, torch.where(observed, values, 1e6), observed)
        whole = p.log_prob(values)
    assert torch.equal(found, rubbish)
    assert (found[:, 1] == 0).all()
    assert torch.equal(found[:, 0], whole[:, 0])
    assert (found[:, 2] != whole[:, 2]).all()


def test_gaps_are_filled_given_the_variables_before_them():
    """Conditional mean and spread of the last of three variables, at 0.99 with the first."""
    values, mean, covariance = correlated(20_000, 3)
    model = AutoregressiveObservation(3)
    model.start_from(values)
    at = torch.tensor([0.8, 33.0, 1e9]).expand(20_000, -1)
    observed = torch.tensor([True, True, False]).expand(20_000, -1)
    with torch.no_grad():
        filled = model.fill(
            model(torch.zeros(20_000, model.features)), at, observed, Generator().manual_seed(0)
        )
    weights = np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
    expected = mean[2] + weights @ (np.array([0.8, 33.0]) - mean[:2])
    spread = math.sqrt(covariance[2, 2] - weights @ covariance[:2, 2])
    assert torch.equal(filled[:, :2], at[:, :2])
    assert filled[:, 2].mean().item() == pytest.approx(expected, abs=0.2 * spread)
    assert filled[:, 2].std().item() == pytest.approx(spread, rel=0.4)


def test_values_that_many_have_begin_with_narrow_components_of_their_own():
    """Lights that are switched in steps of 10, and a copy of another variable."""
    rng = np.random.default_rng(0)
    lights = rng.choice([0.0, 10.0, 20.0], 5000, p=[0.8, 0.15, 0.05])
    other = rng.normal(size=5000)
    values = torch.from_numpy(np.stack([lights, other, other], -1).astype(np.float32))
    model = AutoregressiveObservation(3)
    model.start_from(values)
    with torch.no_grad():
        drawn = model.draw(
            model(torch.zeros(20_000, model.features)), Generator().manual_seed(0)
        ).numpy()
    nearest = np.abs(drawn[:, :1] - [0.0, 10.0, 20.0])
    assert (nearest.min(1) < 0.1).mean() > 0.3
    assert set(np.unique(nearest[nearest.min(1) < 0.1].argmin(1))) == {0, 1, 2}
    assert (np.abs(drawn[:, 2] - drawn[:, 1]) < 0.02).mean() > 0.3


def test_steps_that_lack_a_value_leave_the_predictions_to_those_that_do_not():
    values = correlated(2000, 3)[0]
    holes = values.clone()
    holes[torch.arange(2000) % 4 == 0, 1] = math.nan
    whole = AutoregressiveObservation(3)
    other = AutoregressiveObservation(3)
    whole.start_from(values)
    other.start_from(holes)
    torch.testing.assert_close(whole.net.linear[0], other.net.linear[0], rtol=0, atol=0.05)
    few = AutoregressiveObservation(3)
    few.start_from(values[:20])
    assert not few.net.linear.any()
    p = few(torch.zeros(10, few.features))
    assert torch.isfinite(p.log_prob(values[:10])).all()


def test_one_variable_is_a_mixture():
    model = AutoregressiveObservation(1)
    model.start_from(correlated(1000, 1)[0])
    with torch.no_grad():
        p = model(torch.zeros(20_000, model.features))
        drawn = model.draw(p, Generator().manual_seed(0)).flatten().numpy()
        at = torch.linspace(-8, 8, 20_000)[:, None]
        mass = p.log_prob(at).exp().sum().item() * 16 / 20_000
    assert mass == pytest.approx(1, abs=2e-3)
    assert drawn.std() == pytest.approx(1, rel=0.2)
