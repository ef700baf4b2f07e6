"""Profiles per second of habitus' fit against the same network, batch and data in pythae 0.1.2, alternating.

    python benchmarks/fit_throughput.py            # needs pip install pythae==0.1.2
    python benchmarks/fit_throughput.py --quick

Both train the network of "Time pictures" Tables 5.1 and 5.2 with Adam, batch 500, beta 0.1, cross-entropy, on the
same simulated profiles, already in memory, each in a process of its own. Only a second epoch's steps are timed: no
set-up, no held-out evaluation, no writing. pythae trains through its own trainer, in float32, as it ships.
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from habitus.events import EventLog
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.build import ProfileConfig, profile
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles, save
from habitus.schema import no_progress
from habitus.simulate import write_log
from habitus.training.config import FitConfig
from habitus.training.fit import training_data_of
from habitus.training.loop import FitLoop
from habitus.training.precision import PRECISIONS, chosen_precision
from machine import describe

BATCH = 500

Steps = Callable[[], None]


def simulated(users: int, days: int = 32) -> Profiles:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        write_log(path, users, days, 0)
        log = EventLog.open(path, user="user_id", time="timestamp", channel="platform")
        return profile(log, ProfileConfig(start=dt.date(2018, 2, 1), days=days))


def habitus_steps(profiles: Profiles, precision: str, chunk: int, folder: str) -> Steps:
    """One epoch of our own fit."""
    settings = FitConfig(epochs=1, batch=BATCH, chunk=chunk, held_out=0, precision=precision)
    model = BetaVAE(profiles.axes, BetaVAEConfig(beta=0.1))
    fabric = Fabric(accelerator="cpu", devices=1, precision=PRECISIONS[chosen_precision(settings)])
    fitting = FitLoop(
        fabric, model, training_data_of(profiles, model, settings), settings, Path(folder)
    )
    return lambda: fitting.train(no_progress)


def pythae_steps(profiles: Profiles, folder: str) -> Steps:
    """One epoch of pythae's trainer on the same network."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import BetaVAE as TheirVAE
    from pythae.models import BetaVAEConfig as TheirConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(
                *[m for i, o in ((5, 16), (16, 32), (32, 64)) for m in down(i, o)]
            )
            self.mean = nn.Linear(768, 10)
            self.log_variance = nn.Linear(768, 10)

        def forward(self, x: Tensor) -> ModelOutput:
            h = self.conv(x).flatten(1)
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.tail = nn.Sequential(nn.Linear(10, 768), nn.ReLU())
            self.conv = nn.Sequential(
                *up(64, 32), nn.ReLU(), *up(32, 16), nn.ReLU(), *up(16, 5), nn.Sigmoid()
            )

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.conv(self.tail(z).view(-1, 64, 4, 3)))

    x = torch.from_numpy(profiles.in_unit("peak").dense()).movedim(-1, 1).contiguous()
    config = TheirConfig(input_dim=(5, 32, 24), latent_dim=10, reconstruction_loss="bce", beta=0.1)
    trainer = BaseTrainer(
        TheirVAE(config, Encoder(), Decoder()),
        BaseDataset(x, torch.zeros(len(x))),
        training_config=BaseTrainerConfig(
            folder,
            per_device_train_batch_size=BATCH,
            num_epochs=1,
            learning_rate=1e-3,
            no_cuda=True,
        ),
    )
    trainer.prepare_training()
    return lambda: trainer.train_step(epoch=1)


def down(channels: int, filters: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, filters, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]


def up(channels: int, filters: int) -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2), nn.Conv2d(channels, filters, 3, padding=1)]


def rate(way: str, chunk: int, profiles: str) -> float:
    """Profiles per second of the second of two epochs, in the process that calls this; the first one warms up."""
    logging.disable(logging.INFO)
    population = StoredProfiles.open(profiles).load()
    seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            steps = (
                pythae_steps(population, folder)
                if way == "pythae"
                else habitus_steps(population, way, chunk, folder)
            )
            start = time.perf_counter()
            steps()
            seconds = time.perf_counter() - start
    return len(population) / seconds


def contenders(chunks: list[int]) -> dict[str, tuple[str, int]]:
    """What is compared: a name, the way and its chunk; pythae is the first where it is installed."""
    ways = {"pythae float32": ("pythae", 0)} if find_spec("pythae") else {}
    return ways | {
        f"habitus {way} chunk {chunk}": (way, chunk) for chunk in chunks for way in PRECISIONS
    }


def measured(
    ways: dict[str, tuple[str, int]], profiles: str, repeats: int, start: str
) -> dict[str, list[float]]:
    """Profiles per second, alternating, each in a process of its own.

    Args:
        ways: What is compared.
        profiles: Folder of profiles.
        repeats: How often.
        start: How a process starts: spawned, it inherits no settings of memory; forked, it has no imports to wait for.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            with get_context(start).Pool(1) as pool:
                rates[name].append(pool.apply(rate, (*way, profiles)))
    return rates


def print_rates(rates: dict[str, list[float]]) -> None:
    """Median, least and most, and the ratio to the first one, pair by pair."""
    base = next(iter(rates.values()))
    for name, values in rates.items():
        ratios = [value / other for value, other in zip(values, base, strict=True)]
        print(
            f"{name:28} {median(values):8,.0f} profiles/s (min {min(values):,.0f}, max {max(values):,.0f})  "
            f"ratio {median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chunks", type=int, nargs="*", default=[500])
    parser.add_argument("--quick", action="store_true", help="100 users, once, in forks")
    arguments = parser.parse_args()
    users, repeats = (100, 1) if arguments.quick else (arguments.users, arguments.repeats)
    start = "fork" if arguments.quick else "spawn"
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        population = simulated(users)
        save(Path(folder) / "profiles", population.chunks(), population.axes)
        ways = contenders(arguments.chunks)
        print_rates(measured(ways, str(Path(folder) / "profiles"), repeats, start))


if __name__ == "__main__":
    main()
