"""Loop of a fit: steps, history, checkpoints, and the end of the fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor

from habitus.files import Mark, replacing
from habitus.history import History, versions
from habitus.interrupts import interrupts_deferred
from habitus.models.base import Loss, Model
from habitus.models.parts.examples import Examples
from habitus.run import (
    CHECKPOINT,
    Run,
    check_finite,
    load_state,
    load_tensors,
    save_tensors,
    write_run_header,
)
from habitus.schema import Progress, no_progress
from habitus.training.config import SCHEDULES, FitConfig, Optimiser
from habitus.training.data import TrainingData, batches_in
from habitus.training.precision import chosen_precision, in_memory_format, keep_freed_memory

OPTIMISERS: dict[Optimiser, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": partial(torch.optim.Adagrad, fused=True),
}
CHECKPOINT_SECONDS = 20.0
CURVE_POINTS = 2000  # of the training loss in the history
HELD_OUT_POINTS = 40  # of the held-out loss


class Diverged(ValueError):  # noqa: N818
    """A loss, or weights, that are no longer finite: no later step can mend them."""


def run_fit(
    fabric: Fabric,
    model: Model,
    training_data: TrainingData,
    settings: FitConfig,
    out: Path,
    resume: bool,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> None:
    """Run the whole fit in one process of several; the first one writes."""
    fitting = FitLoop(fabric, model, training_data, settings, out)
    if resume:
        fitting.restore()
    else:
        fitting.begin(overwrite)
    with interrupts_deferred() as raise_if_interrupted, torch.random.fork_rng(devices=[]):
        try:
            fitting.train(on_progress, raise_if_interrupted)
        except KeyboardInterrupt:
            fitting.checkpoint()
            raise
    if fabric.is_global_zero:
        fitting.finish(on_progress)
    fabric.barrier()


class FitLoop:
    """A fit in progress: model, optimiser, position and history."""

    def __init__(
        self,
        fabric: Fabric,
        model: Model,
        training_data: TrainingData,
        settings: FitConfig,
        out: Path,
    ) -> None:
        keep_freed_memory()
        self.fabric = fabric
        self.model = model
        self.settings = settings
        self.out = out
        self.training_data = training_data
        self.per_epoch = batches_in(training_data)
        training_data.start(model)
        # The memory format is set before the optimiser is made, since fused optimisers allocate
        # their state in the format of the weights.
        in_memory_format(model, torch.channels_last)
        optimiser = OPTIMISERS[settings.optimiser](model.parameters(), lr=settings.learning_rate)
        self.module, self.optimiser = fabric.setup(model, optimiser)
        self.module.mark_forward_method("loss")
        self.position = (0, 0)  # epoch, batches of it that are done
        self.history: History = {}
        self.recorded: list[dict[str, Tensor]] = []
        self.best = dict[str, Tensor]()
        self.best_loss = math.inf
        # The order in which threads add up decides the last digits.
        self.threads = [torch.get_num_threads()]  # of each part of a fit that was stopped
        self.checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS

    @property
    def total_steps(self) -> int:
        """Steps of the whole fit."""
        return self.settings.epochs * self.per_epoch

    def train(
        self, on_progress: Progress, raise_if_interrupted: Callable[[], None] = lambda: None
    ) -> None:
        """Take every step that is left, and call ``raise_if_interrupted`` after each."""
        for epoch in range(self.position[0], self.settings.epochs):
            done = self.position[1] if epoch == self.position[0] else 0
            for index, batch in enumerate(self.training_data.epoch(epoch)):
                if index < done:
                    continue
                self.step(batch)
                self.position = (epoch, index + 1)
                self.after_step(on_progress)
                raise_if_interrupted()

    def step(self, batch: Tensor | Examples) -> None:
        """Use a batch; each process takes its own share of it, with noise of its own."""
        generator = self.generator(self.steps_done)
        torch.manual_seed(generator.initial_seed())  # for dropout, which takes no generator
        rate = self.settings.learning_rate * SCHEDULES[self.settings.schedule](
            self.steps_done / self.total_steps
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        parts = self.shares(batch)
        terms = dict[str, Tensor]()
        self.model.fit_progress = self.steps_done / self.total_steps
        for phase in self.model.phases(self.model.fit_progress):
            self.model.phase = phase
            terms |= self.phase_step(parts, generator)
        self.model.fit_progress = 1.0
        self.recorded.append(terms)

    def phase_step(
        self, parts: list[tuple[Tensor | Examples, float]], generator: Generator
    ) -> dict[str, Tensor]:
        """Update the weights of the model's current phase; return the loss and its terms."""
        terms: dict[str, Tensor] = {}
        for number, (part, share) in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.module, enabled=number < len(parts)):
                loss = self.loss(part, generator)
                self.fabric.backward(loss.total * share)
            for name, value in {"loss": loss.total, **loss.terms}.items():
                terms[name] = terms.get(name, 0) + value.detach() * share
        moved = set(self.model.phase_parameters(self.model.phase))
        for parameter in self.model.parameters():
            if parameter not in moved:
                parameter.grad = None
        if self.settings.clip is not None:
            self.fabric.clip_gradients(self.module, self.optimiser, max_norm=self.settings.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return terms

    def shares(self, x: Tensor | Examples) -> list[tuple[Tensor | Examples, float]]:
        """Split off this process's chunks of a batch; weights average to 1 over processes."""
        rank = self.fabric.global_rank
        processes = self.fabric.world_size
        if rank >= len(
            x
        ):  # a last batch with fewer profiles than processes: take part, without weight
            return [(x[:1].to(self.fabric.device), 0.0)]
        chunks = x[rank::processes].to(self.fabric.device).split(self.settings.chunk)
        return [(chunk, len(chunk) * processes / len(x)) for chunk in chunks]

    def loss(self, x: Tensor | Examples, generator: Generator) -> Loss:
        """Compute the loss in the chosen precision, as Fabric leaves it to the caller."""
        with self.fabric.autocast():
            return self.module.loss(x, generator)

    def after_step(self, on_progress: Progress) -> None:
        """Record, report, and write a checkpoint now and then."""
        step = self.steps_done
        held_out = (
            step == self.total_steps or step % max(1, self.total_steps // HELD_OUT_POINTS) == 0
        )
        if held_out or step % max(1, self.total_steps // CURVE_POINTS) == 0:
            self.record(step, held_out)
            total = self.settings.epochs * self.training_data.count
            on_progress(self.examples_seen, total, f"loss {self.last_loss:.4g}")
        if time.monotonic() > self.checkpoint_due:
            self.checkpoint()

    def record(self, step: int, held_out: bool) -> None:
        """Add a row to the history: means since the last row, and any held-out loss that is due.

        Raises:
            Diverged: if the loss is no longer finite.
        """
        names = dict.fromkeys(name for terms in self.recorded for name in terms)
        found = {name: [terms[name] for terms in self.recorded if name in terms] for name in names}
        row = {name: torch.stack(values).mean().item() for name, values in found.items()}
        self.recorded.clear()
        if not math.isfinite(row["loss"]):
            raise self.diverged()
        held_out_terms = self.evaluate_held_out() if held_out else {}
        row |= {f"held_out_{name}": held_out_terms.get(name) for name in row}
        rows = len(self.history.get("step", []))
        for name in dict.fromkeys([*self.history, "step", *row]):
            value = float(step) if name == "step" else row.get(name)
            self.history.setdefault(name, [None] * rows).append(value)
        if (
            self.settings.keep == "best"
            and held_out_terms
            and held_out_terms["loss"] < self.best_loss
        ):
            self.best_loss = held_out_terms["loss"]
            self.best = {
                name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()
            }

    @torch.no_grad()
    def evaluate_held_out(self) -> dict[str, float]:
        """Evaluate the loss on held-out examples, always with the same noise; empty without any."""
        self.module.eval()
        generator = self.generator(2**40)
        sums = dict[str, float]()
        count = 0
        for x in self.training_data.held_out(self.settings.chunk):
            loss = self.loss(x.to(self.fabric.device), generator)
            count += len(x)
            for name, value in {"loss": loss.total, **loss.terms}.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(x)
        self.module.train()
        return {name: total / count for name, total in sums.items()}

    def begin(self, overwrite: bool) -> None:
        """Write the run's folder, so that a fit killed in its first seconds can be resumed."""
        if self.fabric.is_global_zero:
            about = {"complete": False, "data": self.training_data.fingerprint(), **versions()}
            about["threads"] = self.threads
            with replacing(self.out, Mark("fit", "run"), overwrite=overwrite) as part:
                part.mkdir()
                save_tensors(part / CHECKPOINT, self.state())
                write_run_header(part, self.model, asdict(self.settings), about)

    def checkpoint(self) -> None:
        """Write what is needed to go on: one file, renamed into place.

        Raises:
            Diverged: if a loss or a weight is NaN, so that no checkpoint holds any.
        """
        if self.fabric.is_global_zero:
            state = self.state()
            self.check_finite(state)
            save_tensors(self.out / CHECKPOINT, state)
        self.checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS

    def check_finite(self, state: dict[str, Tensor]) -> None:
        """Refuse a state with NaN among its weights and losses.

        Raises:
            Diverged: if there is any.
        """
        # The loss is looked at when it is recorded, every few steps.
        groups = ("model.", "optimiser.", "best.", "recorded.loss")
        if any(state[name].isnan().any() for name in state if name.startswith(groups)):
            raise self.diverged()

    def diverged(self) -> Diverged:
        """Error of a fit whose loss is not finite."""
        return Diverged(
            f"the loss is not finite after {self.steps_done} steps; try a smaller --learning-rate"
        )

    def state(self) -> dict[str, Tensor]:
        """Collect weights, optimiser, history and position as tensors."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {
                f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()
            }
        nan = float("nan")
        for name, column in self.history.items():
            values = [nan if value is None else value for value in column]
            tensors[f"history.{name}"] = torch.tensor(values, dtype=torch.float64)
        missing = torch.tensor(nan)
        for name in dict.fromkeys(name for terms in self.recorded for name in terms):
            tensors[f"recorded.{name}"] = torch.stack(
                [terms.get(name, missing) for terms in self.recorded]
            )
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        best_loss = torch.tensor(self.best_loss, dtype=torch.float64)
        # A file has its tensors in another order, and the history's columns are to keep theirs.
        order = torch.tensor(list("\n".join(tensors).encode()), dtype=torch.uint8)
        return tensors | {
            "order": order,
            "position": torch.tensor(self.position),
            "best_loss": best_loss,
            "threads": torch.tensor(self.threads),
        }

    def restore(self) -> None:
        """Restore what :meth:`state` collects from the checkpoint file.

        Raises:
            ValueError: if the file is damaged or of another model.
        """
        path = self.out / CHECKPOINT
        groups = _grouped(_in_order(load_tensors(path)), path)
        load_state(self.model, groups["model"], path)
        for group in ("optimiser", "best"):
            check_finite(groups[group], path)
        try:
            self._restore(groups)
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
            what = f"{type(error).__name__} {error}".splitlines()[0]
            raise ValueError(f"{path} is damaged or of another model: {what}") from None

    def _restore(self, groups: dict[str, dict[str, Tensor]]) -> None:
        """Take over optimiser, history and position from a checkpoint's groups of tensors."""
        self._restore_optimiser(groups["optimiser"])
        for name, column in groups["history"].items():
            self.history[name] = [None if math.isnan(value) else value for value in column.tolist()]
        columns = {name: column.unbind() for name, column in groups["recorded"].items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        self.recorded = [
            {name: x for name, x in row.items() if name == "loss" or not x.isnan()} for row in rows
        ]
        self.best = groups["best"]
        self.best_loss = groups["best_loss"][""].item()
        epoch, batch = groups["position"][""].tolist()
        if not (0 <= epoch <= self.settings.epochs and 0 <= batch <= self.per_epoch):
            raise ValueError(
                f"expected a position within the fit, got epoch {epoch}, batch {batch}"
            )
        self.position = (int(epoch), int(batch))
        before = groups["threads"][""].tolist() if groups["threads"] else []
        self.threads = list(dict.fromkeys([*before, *self.threads]))

    def _restore_optimiser(self, tensors: dict[str, Tensor]) -> None:
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            index, _, rest = name.partition(".")
            state.setdefault(int(index), {})[rest] = _laid_out_as(parameters[int(index)], tensor)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})

    def finish(self, on_progress: Progress) -> None:
        """Fit the prior and write the run; progress counts examples drawn for the prior, too.

        Raises:
            Diverged: if the last step made a weight NaN.
        """

        def drawn(done: int, total: int, stage: str) -> None:
            seen = self.examples_seen
            on_progress(seen + done, seen + total, f"loss {self.last_loss:.4g}")

        if self.best:
            self.model.load_state_dict(self.best)
        self.check_finite({f"model.{name}": x for name, x in self.model.state_dict().items()})
        model = in_memory_format(self.model.to("cpu"), torch.contiguous_format).eval()
        mixture, of_data = self.training_data.finish(model, self.settings.seed, drawn)
        about = {**versions(), **of_data, "precision": chosen_precision(self.settings)}
        about["threads"] = self.threads
        Run(model, mixture, asdict(self.settings), self.history, about).save(self.out)

    @property
    def steps_done(self) -> int:
        """Number of steps taken so far."""
        return self.position[0] * self.per_epoch + self.position[1]

    @property
    def examples_seen(self) -> int:
        """Number of examples seen so far, over all epochs."""
        epoch, batches = self.position
        return epoch * self.training_data.count + min(
            batches * self.training_data.size, self.training_data.count
        )

    @property
    def last_loss(self) -> float:
        """Training loss that was recorded last."""
        return self.history["loss"][-1] or 0.0

    def generator(self, step: int) -> Generator:
        """Generator of all noise of a step, different in each process."""
        seed = np.random.SeedSequence(
            [self.settings.seed, step, self.fabric.global_rank]
        ).generate_state(1)[0]
        return Generator(self.fabric.device).manual_seed(int(seed))


def _in_order(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put the tensors of a checkpoint into the order in which they were collected."""
    order = tensors.pop("order", torch.zeros(0))
    names = bytes(order.flatten().to(torch.uint8).tolist()).decode(errors="replace").split("\n")
    rank = {name: place for place, name in enumerate(names)}
    return dict(sorted(tensors.items(), key=lambda item: rank.get(item[0], len(rank))))


def _grouped(tensors: dict[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """Group a checkpoint's tensors by the first part of their names.

    Raises:
        ValueError: for a name of no group.
    """
    names = (
        "model",
        "optimiser",
        "history",
        "recorded",
        "best",
        "best_loss",
        "position",
        "threads",
    )
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in names}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group not in groups:
            raise ValueError(f"{path} is damaged or of another model: unknown tensor {name!r}")
        groups[group][rest] = tensor
    return groups


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Copy a tensor from a file into the memory format of its parameter, as fused optimisers need.

    Tensors without dimensions, such as step counts, are returned unchanged.
    """
    if not tensor.dim():
        return tensor
    if tensor.shape != parameter.shape:
        raise ValueError(f"expected the shape {tuple(parameter.shape)}, got {tuple(tensor.shape)}")
    return torch.empty_like(parameter).copy_(tensor)
