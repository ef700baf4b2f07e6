"""Fit any model to any population on Lightning Fabric: CPU or GPU, many processes, resumable.

The order of profiles is a function of (seed, epoch) and the noise one of (seed, step), so a fit
that was killed and resumed ends with the same numbers as one that was not. Sums are taken in an
order that depends on the number of threads and on the processor: with another one the last digits
differ, and by the end of a long fit the first ones may.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from habitus.files import MARKER, check_outputs
from habitus.interrupts import die_with_parent, exit_code, signals_raised
from habitus.memory import check_memory
from habitus.models.base import Model, ProfileModel, SeriesModel, largest_setting, shapes_of
from habitus.parallel import death_of
from habitus.profiles.attributes import vocabulary_of
from habitus.profiles.batches import Population
from habitus.profiles.calendar import Calendar
from habitus.run import CHECKPOINT, Run, load, read_run_header
from habitus.schema import Progress, no_progress
from habitus.series import Series
from habitus.training.config import SINCE, FitConfig, for_profiles
from habitus.training.data import ProfileData, TrainingData
from habitus.training.loop import Diverged, run_fit
from habitus.training.precision import PRECISIONS, chosen_precision
from habitus.training.windows import WindowData, values_of

CHILD_SECONDS = 10  # for a checkpoint, before a process of a fit is killed
FLOAT = 4  # bytes
COPIES = 6  # of each weight: itself, its gradient, two moments, and two in the optimiser's step
ACTIVATIONS = 4  # tensors of a batch's size, at least: cells, mask, output, gradient


def fit(
    kind: type[Model],
    data: Population | Series,
    config: Any = None,
    *,
    fit: FitConfig | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> Run:
    """Fit a model.

    Args:
        kind: The class of the model, such as BetaVAE.
        data: The profiles to learn from, in memory or on disk; series for a model of series.
        config: The model's settings; None takes its defaults.
        fit: Settings of the fit; None takes the model's defaults.
        out: Folder for the run; None keeps it in memory only.
        resume: Go on with the unfinished run in ``out``.
        overwrite: Replace whatever folder stands at ``out``.
        on_progress: Called as the history grows, with examples (profiles, or windows of series)
            seen, examples in all, and ``loss 1.23``; never called with several processes. Users
            that are drawn after the last step to match moments are added to both numbers.

    Returns:
        The run, complete.

    Raises:
        ValueError: if the settings do not fit the data, or ``out`` holds anything and neither
            ``resume`` nor ``overwrite`` is given, or holds the data; or if the loss is no longer
            finite, when ``out`` is removed.
        ChildProcessError: if one of several processes dies.
        KeyboardInterrupt: after Ctrl-C, with a checkpoint written first.
    """
    settings = for_profiles(fit or FitConfig(**kind.fit_defaults), len(data))
    if out is None:
        with tempfile.TemporaryDirectory(prefix="habitus-") as folder:
            out = Path(folder) / "run"
            return _fit(kind, data, config, settings, out, False, False, on_progress)
    check_out(Path(out), resume, overwrite, [getattr(data, "path", None)])
    return _fit(kind, data, config, settings, Path(out), resume, overwrite, on_progress)


def _fit(
    kind: type[Model],
    data: Population | Series,
    config: Any,
    settings: FitConfig,
    out: Path,
    resume: bool,
    overwrite: bool,
    on_progress: Progress,
) -> Run:
    if len(data) == 0:
        raise ValueError("expected profiles or series to learn from, got none")
    check_suits(kind, data)
    config = _suited(kind, data, config or kind.Config())
    check_fits(kind, data, config, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = kind(data.axes, config)
    training_data = training_data_of(data, model, settings)
    if resume:
        check_same(out, model, training_data, settings)
    fabric = Fabric(
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy="ddp_spawn" if settings.devices > 1 else "auto",
        precision=PRECISIONS[chosen_precision(settings)],  # pyright: ignore[reportArgumentType]
    )
    task = partial(
        run_fit, training_data=training_data, settings=settings, out=out,
        resume=resume, overwrite=overwrite,
    )  # fmt: skip
    try:
        if settings.devices == 1:
            fabric.launch()
            task(fabric, model=model, on_progress=on_progress)
        else:
            with _children_ended():
                in_main = threading.current_thread() is threading.main_thread()
                # Among the arguments of the launch, Fabric gives each process weights of its own:
                # torch would have them in memory that all processes share and change.
                child = partial(_run_as_child, task, in_main)
                fabric.launch(child, model=model)  # pyright: ignore[reportArgumentType]
    except Diverged:
        # Going on from its last checkpoint would lead to the same numbers.
        for name in (CHECKPOINT, MARKER):
            (out / name).unlink(missing_ok=True)
        if not any(out.iterdir()):
            out.rmdir()
        raise
    return load(out)


def _run_as_child(
    task: Callable[..., None], parent_in_main: bool, fabric: Fabric, model: Model
) -> None:
    """Run the task of one of several processes, which ends when their parent does."""
    die_with_parent(parent_in_main)
    try:
        with signals_raised():
            task(fabric, model=model)
    except KeyboardInterrupt as stopped:
        # Torch would take a KeyboardInterrupt for a good end.
        sys.exit(exit_code(stopped))


@contextmanager
def _children_ended() -> Iterator[None]:
    """End the processes of a fit with this one, and raise their errors here.

    Raises:
        ValueError: if one raised it, with its message; so for OSError and MemoryError.
        ChildProcessError: if one died.
    """
    before = set(multiprocessing.active_children())
    try:
        yield
    except ProcessRaisedException as error:
        # Torch passes a traceback on, whose last line is the error.
        name, _, message = str(error).strip().splitlines()[-1].partition(": ")
        kinds = {f"{kind.__module__}.{kind.__name__}": kind for kind in (Diverged,)}
        kinds |= {kind.__name__: kind for kind in (ValueError, OSError, MemoryError)}
        if name not in kinds:
            raise
        raise kinds[name](message) from None
    except ProcessExitedException as error:
        raise ChildProcessError(death_of(error.exit_code)) from None
    finally:
        children = set(multiprocessing.active_children()) - before
        for child in children:
            child.terminate()  # after a checkpoint
        for child in children:
            child.join(CHILD_SECONDS)
            child.kill()


def check_fits(
    kind: type[Model], data: Population | Series, config: Any, settings: FitConfig
) -> None:
    """Refuse a fit that takes more memory or devices than there are, before any are taken.

    Raises:
        ValueError: naming what to lower.
    """
    shapes = shapes_of(kind, data.axes, config)
    weights = sum(math.prod(shape) for shape in shapes.values())
    check_memory(
        COPIES * FLOAT * weights,
        f"a {kind.__name__} of {weights:,} parameters, with gradients and moments,",
        largest_setting(config),
    )
    if not isinstance(data, Series):
        together = min(settings.chunk, settings.batch or settings.largest_batch, len(data))
        check_memory(
            ACTIVATIONS * FLOAT * together * data.axes.cells,
            f"{together:,} profiles of {data.axes.cells:,} cells at once",
            "--chunk, or profile with longer slots or fewer days",
        )
    on_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    devices = torch.cuda.device_count() if on_gpu else os.cpu_count() or 1
    if settings.devices > devices:
        raise ValueError(
            f"devices must be at most {devices}, as many as this machine has, got "
            f"{settings.devices:,}"
        )


def _suited(kind: type[Model], data: Population | Series, config: Any) -> Any:
    """Adapt a model's settings to the data, such as to the users' attributes and holidays."""
    if isinstance(data, Series):
        return cast(type[SeriesModel], kind).adapt_config(config, values_of(data))
    if kind.conditions_on_calendar:
        calendar = Calendar.of(data.about)
        if calendar.leaves_out(data.users) and not calendar.observed(data.users, data.axes).any():
            raise ValueError(
                "no day of any window was observed; mend the dates given as unobserved"
            )
        holidays = calendar.has_holidays(data.users, data.axes)
        return cast(type[ProfileModel], kind).adapt_config(
            config, vocabulary_of(data.users), holidays
        )
    return config


def check_suits(kind: type[Model], data: Population | Series) -> None:
    """Refuse profiles for a model of series, and the other way round.

    Raises:
        ValueError: saying what the model takes.
    """
    if isinstance(data, Series) and not issubclass(kind, SeriesModel):
        raise ValueError(
            f"a {kind.__name__} is fitted to profiles, got series; take a model of series, such as "
            "tdlgm"
        )
    if not isinstance(data, Series) and not issubclass(kind, ProfileModel):
        raise ValueError(
            f"a {kind.__name__} is fitted to series, got profiles; make series of them first, or "
            "take a model of profiles, such as beta-vae"
        )


def training_data_of(data: Population | Series, model: Model, settings: FitConfig) -> TrainingData:
    """Arrange profiles or series as the training data of a model.

    Raises:
        ValueError: for profiles and a model of series, or the other way round; or if there is too
            little of either.
    """
    check_suits(type(model), data)
    if isinstance(data, Series):
        return WindowData(data, cast(SeriesModel, model), settings)
    model = cast(ProfileModel, model)
    return ProfileData(data, model, settings)


def check_out(
    out: Path, resume: bool, overwrite: bool = False, reads: Iterable[Path | str | None] = ()
) -> None:
    """Refuse an output folder that is not empty or, to resume, one without a checkpoint.

    Args:
        out: The folder.
        resume: Go on with the run in it.
        overwrite: Replace it.
        reads: Files and folders that the fit reads.

    Raises:
        ValueError: saying what to do instead.
    """
    if resume and overwrite:
        raise ValueError("--resume goes on with a run and --overwrite begins anew; give one")
    check_outputs("fit", {"run": out}, reads, overwrite=overwrite, continued=not overwrite)
    if overwrite:
        return
    if resume and not (out / CHECKPOINT).is_file():
        raise ValueError(f"no unfinished run in {out} to resume")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"{out} exists; give --resume to go on with an unfinished run, another --out, or "
            "--overwrite"
        )


def check_same(out: Path, model: Model, training_data: TrainingData, settings: FitConfig) -> None:
    """Refuse to go on with a run that was begun on other data or with other settings.

    Raises:
        ValueError: naming the first difference.
    """
    header = read_run_header(out)
    begun = {"axes": header.content["axes"], "data": header.content["about"].get("data")}
    begun |= {**header.config, **SINCE, **header.fit}
    now = {
        "axes": model.axes.to_json(),
        "data": training_data.fingerprint(),
        **asdict(model.config),
        **asdict(settings),
    }
    for name, value in now.items():
        if begun.get(name) != value:
            raise ValueError(
                f"the run in {out} was begun with {name}={begun.get(name)}, got {value}; keep to "
                "that"
            )
