"""How fast a tDLGM is fitted and drawn from: states of a window at once, against a loop over its steps.

    python benchmarks/series_throughput.py             # 64 steps, batches of 32, both in one run, alternating
    python benchmarks/series_throughput.py --quick

The loop is the same model, weights, noise and loss, computed step by step as its equations are written (LSTM cell,
recognition, generator, likelihood, error of the state). Then 10,000 series of 1,000 steps are drawn.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Generator, Tensor

from habitus.models.base import Windows
from habitus.models.parts.gaussians import Gaussian
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.schema import SeriesAxes
from machine import describe

BATCH = 32
STEPS = 64


class Loop(TDLGM):
    """The same loss, one step after another."""

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """Eq 28 but for the prior on the weights."""
        noise = torch.randn(
            *x.clock.shape, self.config.layers, self.config.latents, generator=generator
        )
        state = self.begin(len(x.values), x.clock[:, 0])
        anchors = self.anchors(x)
        nll = []
        kl = []
        error = []
        for t in range(x.values.shape[1]):
            now = Windows(*(each[:, t : t + 1] for each in x))
            s = state[1][:, None]
            q: Gaussian = self.q_xi_given_v(now, s, anchors[:, t : t + 1])
            p, generated = self.generate_step(
                q.transform(noise[:, t : t + 1]), s, anchors[:, t : t + 1]
            )
            state = self.observe(state, x.values[:, t], x.observed[:, t], generator)
            nll.append(-self.log_prob(p, now))
            kl.append(q.kl().sum(-1))
            error.append(self._state_error(state[1][:, None], generated))
        return {
            "nll": torch.cat(nll, 1).mean(),
            "kl": self.kl_weight * torch.cat(kl, 1).mean(),
            "state": self.config.alpha * torch.stack(error).mean(),
        }


def models(hidden: int) -> tuple[TDLGM, Loop]:
    """Both, with the same weights."""
    torch.manual_seed(0)
    axes = SeriesAxes(("a", "b", "c"))
    config = TDLGMConfig(hidden=hidden, window=STEPS)
    ours = TDLGM(axes, config)
    loop = Loop(axes, config)
    loop.load_state_dict(ours.state_dict())
    return ours, loop


def step_of(model: TDLGM, x: Tensor) -> Callable[[], float]:
    """One training step; returns the loss."""
    optimiser = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> float:
        optimiser.zero_grad()
        loss = model.loss(x, Generator().manual_seed(0)).total
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def seconds(call: Callable[[], float], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def compare(hidden: int, rounds: int, times: int) -> None:
    """The median ratio over alternating rounds."""
    x = torch.cat(
        [torch.randn(BATCH, STEPS, 3), torch.arange(float(STEPS)).expand(BATCH, -1)[..., None]], -1
    )
    ours, loop = models(hidden)
    with torch.no_grad():
        values = [model.loss(x, Generator().manual_seed(0)).total.item() for model in (ours, loop)]
    steps = [step_of(ours, x), step_of(loop, x)]
    for step in steps:
        step()
    found = [
        (seconds(steps[0], times), seconds(steps[1], max(1, times // 4))) for _ in range(rounds)
    ]
    ratio, fast, slow = (
        median(each) for each in ([b / a for a, b in found], *zip(*found, strict=True))
    )
    print(f"hidden {hidden}: losses {values[0]:.6f} and {values[1]:.6f}")
    print(
        f"hidden {hidden}: {1 / fast:.1f} against {1 / slow:.1f} steps/s; ratio {ratio:.2f}",
        flush=True,
    )


def draw(series: int, steps: int) -> None:
    """Time and memory of drawing."""
    model = models(64)[0].eval()
    model.start_from(torch.randn(1000, 3))
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, series, 2048):
            model.generate(min(2048, series - first), steps, Generator().manual_seed(first))
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rate = f"{series * steps / took:,.0f} steps/s"
    print(f"{series:,} series of {steps:,} steps: {took:.1f} s, {rate}, peak {peak:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(describe())
    for hidden in (16,) if quick else (32, 64, 128):
        compare(hidden, 1 if quick else 5, 2 if quick else 20)
    draw(*((64, 20) if quick else (10_000, 1_000)))


if __name__ == "__main__":
    main()
