"""A fit under way: steps, history, checkpoints, and what is left to do at the end."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import torch
from lightning.fabric import Fabric
from torch import Generator, Tensor

from habitus.encoding import encode
from habitus.evaluation.summary import summarise
from habitus.hardware import keep_freed_memory
from habitus.history import History
from habitus.models.base import LatentModel, Loss, Model
from habitus.output import replacing
from habitus.parts.nets import in_memory_format
from habitus.parts.priors import Mixture
from habitus.profiles.batches import BUFFER, Batches, Population
from habitus.profiles.sparse import USER, Profiles, users_drawn
from habitus.provenance import versions
from habitus.run import (
    CHECKPOINT,
    Run,
    load_state,
    load_tensors,
    save_tensors,
    write_run_header,
)
from habitus.training.config import OPTIMISERS, SCHEDULES, FitConfig, chosen_precision, for_profiles

CHECKPOINT_SECONDS = 20.0
CURVE_POINTS = 2000  # of the training loss in the history
HELD_OUT_POINTS = 40  # of the held-out loss
HELD_OUT_PROFILES = 4096
MIXTURE_PROFILES = 20_000
FEWEST_FOR_MIXTURE = 10

Progress = Callable[[int, int, float], None]


def no_progress(done: int, total: int, loss: float) -> None:
    """Tell nobody."""


def run_fit(
    fabric: Fabric,
    model: Model,
    data: Population,
    settings: FitConfig,
    out: Path,
    resume: bool,
    progress: Progress = no_progress,
) -> None:
    """The whole fit in one process; every process runs it, the first one writes."""
    fitting = Fitting(fabric, model, data, settings, out)
    if resume:
        fitting.restore()
    else:
        fitting.begin()
    try:
        with interrupts_deferred() as interrupted, torch.random.fork_rng(devices=[]):
            fitting.train(progress, interrupted)
    except KeyboardInterrupt:
        fitting.checkpoint()
        raise
    if fabric.is_global_zero:
        fitting.finish()
    fabric.barrier()


class Fitting:
    """A fit under way."""

    def __init__(self, fabric: Fabric, model: Model, data: Population, settings: FitConfig, out: Path) -> None:
        keep_freed_memory()
        self.fabric, self.model, self.settings, self.out = fabric, model, settings, out
        self.train_batches, self.held_out = _sets(data, model.unit, settings)
        if model.start_profiles:
            model.start_from(torch.from_numpy(self.train_batches.sample(model.start_profiles).dense()))
        # Laid out before the optimiser is made: fused ones keep their state in the layout that they find.
        in_memory_format(model, torch.channels_last)
        optimiser = OPTIMISERS[settings.optimiser](model.parameters(), lr=settings.learning_rate)
        self.module, self.optimiser = fabric.setup(model, optimiser)
        self.module.mark_forward_method("loss")
        self.position = (0, 0)  # epoch, batches of it that are done
        self.history: History = {}
        self.recorded: list[dict[str, Tensor]] = []
        self.checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS

    @property
    def total_steps(self) -> int:
        """Steps of the whole fit."""
        return self.settings.epochs * self.train_batches.per_epoch

    def train(self, progress: Progress, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Take every step that is left.

        Raises:
            KeyboardInterrupt: between two steps, once ``interrupted`` says so.
        """
        for epoch in range(self.position[0], self.settings.epochs):
            done = self.position[1] if epoch == self.position[0] else 0
            for index, batch in enumerate(self.train_batches.epoch(epoch)):
                if index < done:
                    continue
                self.step(batch)
                self.position = (epoch, index + 1)
                self.after_step(progress)
                if interrupted():
                    raise KeyboardInterrupt

    def step(self, batch: Profiles) -> None:
        """One step of the optimiser; each process takes its own share of the batch, with noise of its own."""
        generator = self.generator(self.steps_done)
        torch.manual_seed(generator.initial_seed())  # for dropout, which takes no generator
        parts = self.shares(batch)
        terms: dict[str, Tensor] = {}
        for number, (part, share) in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.module, enabled=number < len(parts)):
                loss = self.loss(part, generator)
                self.fabric.backward(loss.total * share)
            for name, value in {"loss": loss.total, **loss.terms}.items():
                terms[name] = terms.get(name, 0) + value.detach() * share
        rate = self.settings.learning_rate * SCHEDULES[self.settings.schedule](self.steps_done / self.total_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.recorded.append(terms)

    def shares(self, batch: Profiles) -> list[tuple[Tensor, float]]:
        """This process's chunks of a batch, each with its weight: over all processes the weights average to 1."""
        rank, processes = self.fabric.global_rank, self.fabric.world_size
        x = torch.from_numpy(batch.dense())
        if rank >= len(x):  # a last batch with fewer profiles than processes: take part, without weight
            return [(x[:1].to(self.fabric.device), 0.0)]
        chunks = x[rank::processes].to(self.fabric.device).split(self.settings.chunk)
        return [(chunk, len(chunk) * processes / len(x)) for chunk in chunks]

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The model's loss in the chosen precision; with one device Fabric leaves that to us."""
        with self.fabric.autocast():
            return self.module.loss(x, generator)

    def after_step(self, progress: Progress) -> None:
        """Record, report, and write a checkpoint now and then."""
        step = self.steps_done
        held_out = step == self.total_steps or step % max(1, self.total_steps // HELD_OUT_POINTS) == 0
        if held_out or step % max(1, self.total_steps // CURVE_POINTS) == 0:
            self.record(step, held_out)
            progress(self.profiles_seen, self.settings.epochs * self.train_batches.count, self.last_loss)
        if time.monotonic() > self.checkpoint_due:
            self.checkpoint()

    def record(self, step: int, held_out: bool) -> None:
        """Add a row to the history: means since the last row, and the held-out loss where it is due.

        Raises:
            ValueError: if the loss is no longer finite.
        """
        row = {name: torch.stack([t[name] for t in self.recorded]).mean().item() for name in self.recorded[0]}
        self.recorded.clear()
        if not math.isfinite(row["loss"]):
            raise ValueError(f"the loss is not finite after {step} steps; try a smaller --learning-rate")
        judged = self.judge() if held_out and len(self.held_out) else dict.fromkeys(row)
        row |= {f"held_out_{name}": value for name, value in judged.items()}
        for name, value in {"step": float(step), **row}.items():
            self.history.setdefault(name, []).append(value)

    @torch.no_grad()
    def judge(self) -> dict[str, float | None]:
        """The loss on held-out users, with the same noise each time."""
        self.module.eval()
        generator, sums = self.generator(2**40), dict[str, float]()
        for rows in np.array_split(np.arange(len(self.held_out)), -(-len(self.held_out) // self.settings.chunk)):
            x = torch.from_numpy(self.held_out.dense(rows)).to(self.fabric.device)
            loss = self.loss(x, generator)
            for name, value in {"loss": loss.total, **loss.terms}.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(rows) / len(self.held_out)
        self.module.train()
        return dict(sums)

    def begin(self) -> None:
        """Make the run's folder, whole from the start, so that a fit killed in its first seconds can be resumed."""
        if self.fabric.is_global_zero:
            about = {"complete": False, "data": fingerprint(self.train_batches.source), **versions()}
            with replacing(self.out) as part:
                part.mkdir()
                save_tensors(part / CHECKPOINT, self.state())
                write_run_header(part, self.model, asdict(self.settings), about)

    def checkpoint(self) -> None:
        """Write what is needed to go on: one file, renamed into place."""
        if self.fabric.is_global_zero:
            save_tensors(self.out / CHECKPOINT, self.state())
        self.checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS

    def state(self) -> dict[str, Tensor]:
        """Weights, optimiser, history and position, as tensors."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
        nan = float("nan")
        for name, column in self.history.items():
            values = [nan if value is None else value for value in column]
            tensors[f"history.{name}"] = torch.tensor(values, dtype=torch.float64)
        for name in self.recorded[0] if self.recorded else ():
            tensors[f"recorded.{name}"] = torch.stack([terms[name] for terms in self.recorded])
        return tensors | {"position": torch.tensor(self.position)}

    def restore(self) -> None:
        """The inverse of :meth:`state`, from the checkpoint file.

        Raises:
            ValueError: if the file is damaged or of another model.
        """
        path = self.out / CHECKPOINT
        try:
            self._restore(load_tensors(path), path)
        except (KeyError, IndexError, RuntimeError) as error:
            what = f"{type(error).__name__} {error}".splitlines()[0]
            raise ValueError(f"{path} is damaged or of another model: {what}") from None

    def _restore(self, tensors: dict[str, Tensor], path: Path) -> None:
        names = ("model", "optimiser", "history", "recorded", "position")
        groups: dict[str, dict[str, Tensor]] = {name: {} for name in names}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = tensor
        load_state(self.model, groups["model"], path)
        self._restore_optimiser(groups["optimiser"])
        for name, column in groups["history"].items():
            self.history[name] = [None if math.isnan(value) else value for value in column.tolist()]
        columns = {name: column.unbind() for name, column in groups["recorded"].items()}
        self.recorded = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        epoch, batch = groups["position"][""].tolist()
        self.position = (epoch, batch)

    def _restore_optimiser(self, tensors: dict[str, Tensor]) -> None:
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            index, _, rest = name.partition(".")
            state.setdefault(int(index), {})[rest] = _laid_out_as(parameters[int(index)], tensor)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})

    def finish(self) -> None:
        """Fit the prior and write the run."""
        model = in_memory_format(self.model.to("cpu"), torch.contiguous_format).eval()
        about = {**versions(), "profiles": self.train_batches.count, "active_share": self._active_share()}
        about |= {"precision": chosen_precision(self.settings)}
        mixture = None
        if isinstance(model, LatentModel):
            posterior = encode(model, self.train_batches.sample(MIXTURE_PROFILES))
            about |= {"latents": posterior.to_json()}
            if len(posterior) >= FEWEST_FOR_MIXTURE:
                draws = posterior.draw(Generator().manual_seed(self.settings.seed))
                mixture = Mixture.fit(draws, self.settings.seed)
        Run(model, mixture, asdict(self.settings), self.history, about).save(self.out)

    def _active_share(self) -> list[float]:
        """Share of the training profiles active on each day, which a zero threshold is fitted to (5.3.2)."""
        return summarise(self.train_batches.source, self.train_batches.chosen).active.mean(0).tolist()

    @property
    def steps_done(self) -> int:
        """Steps taken so far."""
        return self.position[0] * self.train_batches.per_epoch + self.position[1]

    @property
    def profiles_seen(self) -> int:
        """Profiles seen so far, over all epochs."""
        epoch, batches = self.position
        return epoch * self.train_batches.count + min(batches * self.train_batches.size, self.train_batches.count)

    @property
    def last_loss(self) -> float:
        """The training loss last recorded."""
        return self.history["loss"][-1] or 0.0

    def generator(self, step: int) -> Generator:
        """The source of all noise of a step, different in each process."""
        seed = np.random.SeedSequence([self.settings.seed, step, self.fabric.global_rank]).generate_state(1)[0]
        return Generator(self.fabric.device).manual_seed(int(seed))


@contextmanager
def interrupts_deferred() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until a moment at which nothing is half done; yield whether it was pressed."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may take signals
        yield lambda: False
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def fingerprint(data: Population) -> dict[str, float]:
    """Numbers that tell one population from another: its size, and sums over its first group."""
    first = data.read_group(0)
    sums = {"cells": int(first.cells.sum(dtype=np.int64)), "values": float(first.values.sum(dtype=np.float64))}
    return {"profiles": len(data), **sums}


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """The tensor in the parameter's memory format, which fused optimisers rely on and files do not keep."""
    same = tensor.shape == parameter.shape
    return torch.empty_like(parameter).copy_(tensor) if same else tensor


def _sets(data: Population, unit: str, settings: FitConfig) -> tuple[Batches, Profiles]:
    """The profiles to fit to, and the held-out ones; nobody is in both."""
    few = round(settings.held_out * pc.call_function("count_distinct", [data.users[USER]]).as_py()) == 0
    held = np.zeros(len(data), bool) if few else users_drawn(data.users, settings.held_out, settings.seed)
    size = for_profiles(settings, len(data)).batch or 1
    train = Batches(data, ~held, unit, size, settings.seed, BUFFER)
    return train, Batches(data, held, unit, size, settings.seed).sample(HELD_OUT_PROFILES)
