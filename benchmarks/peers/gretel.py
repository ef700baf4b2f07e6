"""gretel-synthetics' DGAN: DoppelGANger (Lin et al. 2020), a GAN of sequences, in PyTorch.

A sequence is the window slot by slot, with a feature per channel; each step of the LSTM draws the slots of a day.
Sequences of days with S x C features would give the same networks, but the scaling by example, made for sequences
of very different size, would then generate the range of each slot of the day rather than of each channel. Features
are log(1 + count), since counts have long tails. All other settings are the defaults, the 400 epochs included,
unless the time is over before.
"""

from __future__ import annotations

import contextlib
import time

import numpy as np
import torch
from gretel_synthetics.timeseries_dgan.config import DGANConfig
from gretel_synthetics.timeseries_dgan.dgan import DGAN
from gretel_synthetics.timeseries_dgan.structures import ProgressInfo
from numpy.typing import NDArray
from profiles_io import Population
from protocol import OutOfTime, Settings, Trained, day_threshold, main, thresholded

THRESHOLD_USERS = 2000


def train(real: Population, settings: Settings) -> Trained:
    """Fit the GAN to log counts by hour, and the threshold to what it draws."""
    torch.manual_seed(settings.seed)
    np.random.seed(settings.seed)  # noqa: NPY002, the tool's own source
    days, slots, channels = real.shape
    dense = real.dense()
    ends = time.monotonic() + 60 * settings.minutes
    gan = DGAN(DGANConfig(max_sequence_len=days * slots, sample_len=slots, cuda=False))
    seen = ProgressInfo(0, 0, 0, 0)

    def watch(progress: ProgressInfo) -> None:
        nonlocal seen
        seen = progress
        if time.monotonic() > ends:
            raise OutOfTime

    with contextlib.suppress(OutOfTime):
        gan.train_numpy(
            np.log1p(dense).reshape(len(real), days * slots, channels), progress_callback=watch
        )

    def draw(users: int) -> NDArray[np.float64]:
        _, features = gan.generate_numpy(users)
        return np.expm1(np.stack(features)).reshape(users, *real.shape)

    threshold = day_threshold(draw(THRESHOLD_USERS), real)
    details = {"epochs": seen.epoch + 1, "threshold": threshold}
    return Trained(thresholded(real.axes, draw, threshold), details)


if __name__ == "__main__":
    main("gretel-synthetics", train, __doc__)
