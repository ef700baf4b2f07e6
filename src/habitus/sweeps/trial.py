"""One trial: fit, generate, evaluate, and write what came out into the run's folder."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from habitus.evaluation import Evaluation, compare, evaluate, summarise
from habitus.files import write_json
from habitus.profiles.sparse import Profiles
from habitus.records import read_json
from habitus.run import CHECKPOINT, Run, is_complete, load
from habitus.schema import Progress
from habitus.sweeps.plan import Plan
from habitus.sweeps.space import Params, text_of
from habitus.synthesis import generate
from habitus.training.fit import fit

METRICS = "metrics.json"
TRIALS = "trials"
LONGEST_NAME = 120


def trial_folder(out: Path, slot: int, params: Params) -> Path:
    """Folder of a trial's run.

    >>> str(trial_folder(Path("sweep"), 7, {"beta": 0.1, "mask": "last:7"}))
    'sweep/trials/007-beta=0.1-mask=last_7'
    """
    texts = (f"{key}={_brief(value)}" for key, value in params.items())
    name = re.sub(r"[^\w.=+-]", "_", "-".join([f"{slot:03}", *texts]))
    return out / TRIALS / name[:LONGEST_NAME]


def _brief(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else text_of(value)


class Trials:
    """Runs trials of a plan, one after the other; what they share is computed once."""

    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan = plan
        self.out = out
        self._evaluations: dict[str, Evaluation] = {}

    def run(self, slot: int, params: Params, spent: float, on_progress: Progress) -> dict[str, Any]:
        """Run a trial, or the rest of one that was begun.

        Args:
            slot: Its number.
            params: Its settings.
            spent: Seconds that others already spent on it.
            on_progress: Called with examples seen, examples in all, and what it is at; may raise to
                stop the trial.

        Returns:
            The content of its ``metrics.json``.

        Raises:
            ValueError: if the fit or what comes after it fails.
            KeyboardInterrupt: after Ctrl-C, with a checkpoint of the fit written.
        """
        folder = trial_folder(self.out, slot, params)
        if (metrics := read_metrics(folder)) is not None:
            return metrics
        began = time.monotonic()
        run = self._fitted(slot, folder, params, on_progress)
        on_progress(0, 0, f"trial {slot}: evaluating")
        found = self._found(run)
        metrics = {**found, **_facts(run), "seconds": round(spent + time.monotonic() - began, 3)}
        write_json(folder / METRICS, metrics)
        return metrics

    def _fitted(self, slot: int, folder: Path, params: Params, on_progress: Progress) -> Run:
        if is_complete(folder):
            return load(folder)
        config, settings = self.plan.settings(params)

        def of_trial(done: int, total: int, stage: str) -> None:
            on_progress(done, total, f"trial {slot}: {done / total:.0%}, {stage}")

        resume = (folder / CHECKPOINT).is_file()
        on_progress(0, 0, f"trial {slot}: fitting")
        return fit(
            self.plan.kind,
            self.plan.train,
            config,
            fit=settings,
            out=folder,
            resume=resume,
            on_progress=of_trial,
        )

    def _found(self, run: Run) -> dict[str, Any]:
        if not self.plan.generates:
            return {}
        prior = "normal" if run.mixture is None else "mixture"
        generated = generate(run, self.plan.population, int(run.fit["seed"]), prior=prior)
        return self._evaluate(generated).to_json()

    def _evaluate(self, generated: Profiles) -> Evaluation:
        """Evaluate with the floor and baselines of the first trial in the same unit."""
        unit = generated.axes.unit
        if (first := self._evaluations.get(unit)) is None:
            first = self._evaluations[unit] = evaluate(
                generated, self.plan.against, self.plan.train
            )
            return first
        ours = summarise(generated)
        threshold = generated.about.get("zero_threshold")
        return replace(
            first, generated=ours, figures=compare(ours, first.reference), zero_threshold=threshold
        )


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """Metrics of a trial, or None where it is not finished.

    Raises:
        ValueError: if the file is damaged.
    """
    return read_json(folder / METRICS) if (folder / METRICS).is_file() else None


def _facts(run: Run) -> dict[str, Any]:
    held_out = [loss for loss in run.history.get("held_out_loss", []) if loss is not None]
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    return {"held_out_loss": held_out[-1] if held_out else None, "parameters": parameters}
