"""The trials of a sweep in a storage that several processes share, each taken by one of them at a time.

Each slot of the plan is put into Optuna's queue once, by the process that made the study. A process takes a waiting
trial by turning it into a running one, which only one of them can, and gives signs of life while it works. A trial
without them is failed and put into the queue again. Should a slot come to be in the queue twice, because a process
died between two writes, the trial with the lowest number counts and the others are set aside when they are taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

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


@dataclass(frozen=True)
class Slot:
    """How far a planned trial is.

    Attributes:
        number: Which one.
        state: WAITING, RUNNING, COMPLETE or FAIL.
        params: Its settings, as far as they are known.
        error: Why it failed; None where it did not.
        retry: Whether it was lost and has to be put into the queue again.
    """

    number: int
    state: str
    params: Params
    error: str | None = None
    retry: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return not self.retry and self.state in ("COMPLETE", "FAIL")


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on.

    Attributes:
        trial_id: Its id in the storage.
        slot: Which of the planned trials it is.
        params: Its settings.
        spent: Seconds that others spent on it.
    """

    trial_id: int
    slot: int
    params: Params
    spent: float


class Queue:
    """The trials of a study.

    Args:
        storage: Where it is kept.
        name: The study's name.
        space: What varies, and how many trials there are.
        patience: When a process counts as dead.
        seed: Of a search.
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
        if not made and self._made_by_another(definition):
            return
        self.study.set_user_attr(DEFINITION, dict(definition))
        there = {trial.user_attrs[SLOT] for trial in self._trials()}
        for number, params in enumerate(self.space.slots()):
            if number not in there:
                self.study.enqueue_trial(params, user_attrs={SLOT: number})
        self.study.set_user_attr(READY, True)

    def _made_by_another(self, definition: Mapping[str, Any]) -> bool:
        """Wait until the study is ready; False if whoever began to make it seems to have died."""
        until = time.monotonic() + self.patience.grace
        while True:
            attributes = self.study.user_attrs
            self._check_ours()
            if (found := attributes.get(DEFINITION)) is not None:
                self._check(found, definition)
            if attributes.get(READY):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(POLL)

    def _check_ours(self) -> None:
        if any(SLOT not in trial.user_attrs for trial in self._trials()):
            raise ValueError(
                f"the storage {shown(self.storage.url)} holds a study called {self.name!r} that is not of habitus; "
                "give --name or another --storage"
            )

    def _check(self, found: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        if what := another(found, ours):
            raise ValueError(
                f"the storage {shown(self.storage.url)} holds another sweep called {self.name!r} "
                f"({what}); give --name or another --storage"
            )

    def claim(self) -> Claim | None:
        """Take a waiting trial; None where there is none."""
        for trial in self._trials(TrialState.WAITING):
            trial_id = self._id(trial)
            try:
                # A sign of life goes first: without any, a trial whose process died would never count as stale.
                self.storage.record_heartbeat(trial_id)
                if not self.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    continue
                if self._is_double(trial):
                    self._set_aside(trial_id)
                    continue
                return Claim(trial_id, trial.user_attrs[SLOT], *self._params(trial))
            except UpdateFinishedTrialError:
                continue
        return None

    def _params(self, trial: FrozenTrial) -> tuple[Params, float]:
        """A trial's settings, chosen now where they were not before, and the seconds spent on it."""
        slot = trial.user_attrs[SLOT]
        seed = np.random.SeedSequence([self.seed, slot]).generate_state(1)[
            0
        ]  # processes draw apart from each other
        self.study.sampler = TPESampler(seed=int(seed), constant_liar=True)
        live = Trial(self.study, self._id(trial))
        params = {key: choice.suggest(live, key) for key, choice in self.space.choices.items()}
        return params, float(trial.user_attrs.get(SECONDS, 0.0))

    def _is_double(self, trial: FrozenTrial) -> bool:
        others = [
            each for each in self._of_slot(trial.user_attrs[SLOT]) if each.number != trial.number
        ]
        return DOUBLE in trial.user_attrs or any(
            each.state == TrialState.COMPLETE
            or ERROR in each.user_attrs
            or (each.state in LIVE and each.number < trial.number)
            for each in others
        )

    def _set_aside(self, trial_id: int) -> None:
        self.storage.set_trial_user_attr(trial_id, DOUBLE, True)
        self.storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def complete(self, claim: Claim, value: float) -> None:
        """Say that a trial is done, and what came out; inf is the worst."""
        self._end(claim, TrialState.COMPLETE, [value])

    def fail(self, claim: Claim, error: str) -> None:
        """Say that a trial failed for good, and why."""
        try:
            self.storage.set_trial_user_attr(claim.trial_id, ERROR, error)
        except UpdateFinishedTrialError:
            return
        self._end(claim, TrialState.FAIL)

    def release(self, claim: Claim) -> None:
        """Put a trial that this process stops working on into the queue again."""
        trial = self.storage.get_trial(claim.trial_id)
        if self._end(claim, TrialState.FAIL):
            same = {
                name: getattr(trial, name)
                for name in ("params", "distributions", "user_attrs", "system_attrs")
            }
            self.study.add_trial(optuna.create_trial(state=TrialState.WAITING, **same))

    def _end(self, claim: Claim, state: TrialState, values: list[float] | None = None) -> bool:
        """End a trial; False where another process took it meanwhile and answers for it."""
        try:
            return self.storage.set_trial_state_values(claim.trial_id, state, values)
        except UpdateFinishedTrialError:
            return False

    @contextmanager
    def signs_of_life(self, claim: Claim) -> Iterator[Event]:
        """Give signs of life; yield an event that is set once the trial is another process's."""
        stop = Event()
        taken = Event()
        thread = Thread(target=self._beat, args=(claim, stop, taken), daemon=True)
        thread.start()
        try:
            yield taken
        finally:
            stop.set()
            thread.join()

    def _beat(self, claim: Claim, stop: Event, taken: Event) -> None:
        began = time.monotonic()
        while not stop.wait(self.patience.heartbeat):
            try:
                self.storage.record_heartbeat(claim.trial_id)
                self.storage.set_trial_user_attr(
                    claim.trial_id, SECONDS, round(claim.spent + time.monotonic() - began, 3)
                )
            except UpdateFinishedTrialError:
                taken.set()
            except (StorageInternalError, SQLAlchemyError):  # locked, or away for a moment
                continue

    def revive(self) -> None:
        """Put trials whose process died into the queue again."""
        fail_stale_trials(self.study)
        for slot in self.slots():
            if slot.retry:
                self._again(max(self._of_slot(slot.number), key=lambda trial: trial.number))

    def _again(self, trial: FrozenTrial) -> None:
        retry = self.storage.get_heartbeat_stale_trial_callback()
        assert retry is not None, "the storage was opened with one"
        retry(self.study, trial)

    def slots(self) -> list[Slot]:
        """How far each planned trial is."""
        by_slot: dict[int, list[FrozenTrial]] = {}
        for trial in self._trials():
            if DOUBLE not in trial.user_attrs:
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
        return [trial for trial in every if trial.user_attrs[SLOT] == number]

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _id(self, trial: FrozenTrial) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial.number)
