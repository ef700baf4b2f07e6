"""A sweep as an Optuna study that several processes share; ``study.optimize`` runs its trials.

The process that makes the study enqueues each slot of the plan once. Optuna then hands every
waiting trial to one process, records its heartbeats, and fails a trial whose process died, which
its callback enqueues again. Should a slot be in the queue twice, because a process died between two
writes, the trial with the lowest number counts and the others are pruned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import DuplicatedStudyError, TrialPruned, UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState
from torch import OutOfMemoryError

from habitus.databases import masked
from habitus.sweeps.plan import another
from habitus.sweeps.space import Params, Space
from habitus.sweeps.storage import Patience, shown

SLOT = "slot"
ERROR = "error"
DOUBLE = "double"
SECONDS = "seconds"
DEFINITION = "definition"
READY = "ready"
POLL = 0.2
LIVE = (TrialState.WAITING, TrialState.RUNNING)
FAILURES = (ValueError, MemoryError, OutOfMemoryError)
"""Exceptions that end a trial for good, while the sweep goes on."""

RunTrial = Callable[[int, Params, float, Callable[[], None]], float]
"""Runs the trial of a slot and returns its score, given the slot's number, its settings, the
seconds already spent on it, and a callback to call regularly."""


@dataclass(frozen=True)
class Slot:
    """State of a planned trial.

    Attributes:
        number: Its number.
        state: WAITING, RUNNING, COMPLETE or FAIL.
        params: Its settings, as far as they are known.
        error: Why it failed; None where it did not.
        retry: True where it was lost and has to be enqueued again.
    """

    number: int
    state: str
    params: Params
    error: str | None = None
    retry: bool = False

    @property
    def settled(self) -> bool:
        """True where nothing is left to do."""
        return not self.retry and self.state in ("COMPLETE", "FAIL")


class TakenOver(Exception):  # noqa: N818
    """Signal that another process presumed this one dead and has taken over its trial."""


class SharedStudy:
    """The study of a sweep, and the slots of the plan in it.

    Args:
        storage: Where it is kept.
        name: The study's name.
        space: What varies, and how many trials there are.
        patience: When a process counts as dead.
        seed: Seed of a search.
    """

    def __init__(
        self, storage: RDBStorage, name: str, space: Space, patience: Patience, seed: int
    ) -> None:
        self.storage = storage
        self.name = name
        self.space = space
        self.patience = patience
        self.seed = seed

    def join(self, definition: Mapping[str, Any]) -> None:
        """Make the study, or take part in it.

        Raises:
            ValueError: if the storage holds another sweep of that name.
        """
        try:
            self.study = optuna.create_study(study_name=self.name, storage=self.storage)
            made = True
        except DuplicatedStudyError:
            self.study = optuna.load_study(study_name=self.name, storage=self.storage)
            made = False
        self.study_id = self.storage.get_study_id_from_name(self.name)
        if not made and self._is_made_by_another(definition):
            return
        self.study.set_user_attr(DEFINITION, dict(definition))
        there = {trial.user_attrs.get(SLOT) for trial in self._trials()}
        for number, params in enumerate(self.space.slots()):
            if number not in there:
                self.study.enqueue_trial(params, user_attrs={SLOT: number})
        self.study.set_user_attr(READY, True)

    def _is_made_by_another(self, definition: Mapping[str, Any]) -> bool:
        """Wait until the study is ready; False if the process that began it seems to have died.

        Raises:
            ValueError: if it is another sweep, or no sweep.
        """
        where = f"the storage {shown(self.storage.url)} holds"
        until = time.monotonic() + self.patience.grace
        while True:
            attributes = self.study.user_attrs
            found = attributes.get(DEFINITION)
            if found is None and any(SLOT not in trial.user_attrs for trial in self._trials()):
                raise ValueError(
                    f"{where} a study called {self.name!r} that is not of habitus; "
                    "give --name or another --storage"
                )
            if found is not None and (what := another(found, definition)):
                raise ValueError(
                    f"{where} another sweep called {self.name!r} ({what}); "
                    "give --name or another --storage"
                )
            if attributes.get(READY):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(POLL)

    def run_one(self, run: RunTrial) -> bool:
        """Take a waiting trial and run it, whatever becomes of it; False where none is waiting.

        A trial that another process took meanwhile is left to that process. One that is interrupted
        is enqueued again.
        """
        waiting = self._trials(TrialState.WAITING)
        if not waiting:
            return False
        # Optuna records the first heartbeat after it has taken a trial: a process that is killed
        # between the two would leave a trial that never counts as stale.
        self.storage.record_heartbeat(self._id(waiting[0]))
        trial_id: int | None = None
        ended_elsewhere = False
        interruption: KeyboardInterrupt | None = None

        def objective(trial: Trial) -> float:
            nonlocal trial_id, ended_elsewhere, interruption
            slot = trial.user_attrs.get(SLOT)
            if slot is None or self._is_double(trial.number, trial.user_attrs):
                # Without a slot: another process took the last one, and Optuna made a new trial.
                trial.set_user_attr(DOUBLE, True)
                raise TrialPruned
            number = trial.number
            trial_id = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)
            try:
                return self._run(trial, slot, run)
            except KeyboardInterrupt as error:
                interruption = error
                raise
            finally:
                ended_elsewhere = self.storage.get_trial(trial_id).state != TrialState.RUNNING

        try:
            self.study.optimize(objective, n_trials=1, catch=FAILURES)
        except BaseException:
            if not ended_elsewhere:
                if trial_id is not None:
                    self._enqueue_again(trial_id)
                raise
            # Optuna refuses to end a trial that is ended already; the other process answers for it.
            if interruption is not None:
                raise interruption from None
        return True

    def _run(self, trial: Trial, slot: int, run: RunTrial) -> float:
        # Seeds by slot: processes that draw at the same time draw apart from each other.
        seed = np.random.SeedSequence([self.seed, slot]).generate_state(1)[0]
        self.study.sampler = TPESampler(seed=int(seed), constant_liar=True)
        params = {key: choice.suggest(trial, key) for key, choice in self.space.choices.items()}
        spent = float(trial.user_attrs.get(SECONDS, 0.0))
        began = time.monotonic()
        written = began

        def note_seconds() -> None:
            nonlocal written
            now = time.monotonic()
            if now - written < self.patience.heartbeat:
                return
            written = now
            try:
                trial.set_user_attr(SECONDS, round(spent + now - began, 3))
            except UpdateFinishedTrialError:
                raise TakenOver from None

        try:
            return run(slot, params, spent, note_seconds)
        except FAILURES as error:
            text = " ".join(str(error).split()) or type(error).__name__
            trial.set_user_attr(ERROR, masked(text))
            raise

    def _is_double(self, number: int, attributes: Mapping[str, Any]) -> bool:
        others = [each for each in self._of_slot(attributes[SLOT]) if each.number != number]
        return DOUBLE in attributes or any(
            each.state == TrialState.COMPLETE
            or ERROR in each.user_attrs
            or (each.state in LIVE and each.number < number)
            for each in others
        )

    def _enqueue_again(self, trial_id: int) -> None:
        """Enqueue a copy of a trial that this process stopped working on."""
        trial = self.storage.get_trial(trial_id)
        if trial.state == TrialState.RUNNING:
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
        same = {
            name: getattr(trial, name)
            for name in ("params", "distributions", "user_attrs", "system_attrs")
        }
        self.study.add_trial(optuna.create_trial(state=TrialState.WAITING, **same))

    def revive(self) -> None:
        """Re-enqueue the trials whose process has died."""
        fail_stale_trials(self.study)
        retry = self.storage.get_heartbeat_stale_trial_callback()
        assert retry is not None, "the storage was opened with one"
        for slot in self.slots():
            if slot.retry:
                retry(self.study, max(self._of_slot(slot.number), key=lambda trial: trial.number))

    def slots(self) -> list[Slot]:
        """State of each planned trial, by number."""
        by_slot: dict[int, list[FrozenTrial]] = {}
        for trial in self._trials():
            if DOUBLE not in trial.user_attrs and SLOT in trial.user_attrs:
                by_slot.setdefault(trial.user_attrs[SLOT], []).append(trial)
        return [self._slot(number, by_slot[number]) for number in sorted(by_slot)]

    def _slot(self, number: int, trials: list[FrozenTrial]) -> Slot:
        for state in (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING):
            for trial in trials:
                if trial.state == state:
                    return Slot(number, state.name, self._known(trial))
        last = max(trials, key=lambda trial: trial.number)
        failed = next((trial for trial in trials if ERROR in trial.user_attrs), None)
        if failed is not None:
            return Slot(number, "FAIL", self._known(failed), failed.user_attrs[ERROR])
        if len(last.system_attrs.get("retry_history", [])) < self.patience.retries:
            return Slot(number, "WAITING", self._known(last), retry=True)
        return Slot(
            number,
            "FAIL",
            self._known(last),
            f"stopped {self.patience.retries + 1} times; given up",
        )

    def _known(self, trial: FrozenTrial) -> Params:
        known = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        return {key: known[key] for key in self.space.choices if key in known}

    def _of_slot(self, number: int) -> list[FrozenTrial]:
        every = (trial for trial in self._trials() if DOUBLE not in trial.user_attrs)
        return [trial for trial in every if trial.user_attrs.get(SLOT) == number]

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _id(self, trial: FrozenTrial) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial.number)
