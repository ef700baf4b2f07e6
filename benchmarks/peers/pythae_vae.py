"""pythae's beta-VAE on pictures: shares of a user's peak, channels x days x slots, with the library's own networks.

Cross-entropy, 10 latents and beta 0.1 are those of "Time pictures"; the networks (one hidden layer of 512) are the
library's default, since its convolutional ones are for the pictures of data sets. 100 epochs is its default, batch
100 and step size 1e-3 are those of its examples. Latents are drawn from its Gaussian mixture. The result is in
shares of a peak: counts are not to be had from it.
"""

from __future__ import annotations

import contextlib
import tempfile
import time

import numpy as np
import torch
from numpy.typing import NDArray
from profiles_io import Population
from protocol import OutOfTime, Settings, Trained, day_threshold, main, thresholded
from pythae.data.datasets import BaseDataset
from pythae.models import BetaVAE, BetaVAEConfig
from pythae.samplers import GaussianMixtureSampler
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

THRESHOLD_USERS = 2000


class Watch(TrainingCallback):
    """Counts epochs, and ends the training when the time is over."""

    def __init__(self, minutes: float) -> None:
        self.ends = time.monotonic() + 60 * minutes
        self.epochs = 0

    def on_epoch_end(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        self.epochs += 1
        if time.monotonic() > self.ends:
            raise OutOfTime


def train(real: Population, settings: Settings) -> Trained:
    """Fit the VAE to pictures, the mixture to their latents, and the threshold to what is drawn."""
    dense = real.dense()
    pictures = (
        torch.from_numpy(dense / dense.max((1, 2, 3), keepdims=True)).movedim(-1, 1).contiguous()
    )
    torch.manual_seed(settings.seed)
    model = BetaVAE(
        BetaVAEConfig(
            input_dim=tuple(pictures.shape[1:]), latent_dim=10, reconstruction_loss="bce", beta=0.1
        )
    )
    epochs = _fit(model, pictures, settings)
    np.random.seed(settings.seed)  # noqa: NPY002, the source of the mixture's start
    mixture = GaussianMixtureSampler(model)
    mixture.fit(pictures)

    def draw(users: int) -> NDArray[np.float32]:
        return mixture.sample(users).detach().movedim(1, -1).numpy()

    threshold = day_threshold(draw(THRESHOLD_USERS), real)
    details = {"epochs": epochs, "threshold": threshold}
    return Trained(thresholded({**real.axes, "unit": "peak"}, draw, threshold), details)


def _fit(model: BetaVAE, pictures: torch.Tensor, settings: Settings) -> int:
    """Train with the library's trainer; the epochs that were done."""
    watch = Watch(settings.minutes)
    with tempfile.TemporaryDirectory() as folder:
        how = BaseTrainerConfig(
            folder,
            per_device_train_batch_size=100,
            learning_rate=1e-3,
            seed=settings.seed,
            no_cuda=True,
        )
        data = BaseDataset(pictures, torch.zeros(len(pictures)))
        with contextlib.suppress(OutOfTime):
            BaseTrainer(model, data, training_config=how, callbacks=[watch]).train()
    return watch.epochs


if __name__ == "__main__":
    main("pythae", train, __doc__)
