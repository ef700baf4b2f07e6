"""Days of users drawn one after another (Rhythm), each from what was before.

It is done on the processor, wherever the model is: matrix products are torch's, what is between them is compiled
(habitus.models.rhythm.sampling.kernels.users), and silent days take little.

Letters: B users, D days, S slots, C channels, H hidden units, F numbers of a memory, n users with an active
day, Z numbers known of a user.
"""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from habitus.models.parts.examples import Days
from habitus.models.parts.gaussians import diagonal
from habitus.models.parts.indexing import rows_of
from habitus.models.rhythm.active_slots import SlotGRU
from habitus.models.rhythm.conditioning import Told
from habitus.models.rhythm.day import DaySlots
from habitus.models.rhythm.history import OF_DAYS, Memory
from habitus.models.rhythm.sampling.days import SEEDS, DayDraws, DrawnDays, numbers_of
from habitus.models.rhythm.sampling.kernels import users as user_kernels
from habitus.models.rhythm.sampling.kernels.compiled import Sparse
from habitus.models.rhythm.statistics import Scores, Shifts

CPU = torch.device("cpu")


class UserLayers(NamedTuple):
    """Parts of :class:`habitus.models.rhythm.model.Rhythm` that days are drawn with."""

    told: Told
    day: nn.Sequential
    state: SlotGRU
    known: nn.Sequential
    gate: nn.Sequential
    p_z: nn.Linear
    what: nn.Sequential
    p_x: DaySlots
    pairs: Tensor
    often: Tensor
    on_holidays: Tensor | None

    def on_processor(self) -> UserLayers:
        """The same, or copies where they are elsewhere."""
        if self.pairs.device == CPU:
            return self
        return UserLayers(*(None if each is None else deepcopy(each).to(CPU) for each in self))  # pyright: ignore[reportArgumentType]

    def on_date(self, days: Days) -> Tensor:
        """Logits of days' being active [...] that their weekdays and holidays tell."""
        often = self.often[self.told.in_week(days)]
        return often if self.on_holidays is None else often + days.holiday * self.on_holidays


class LogProbs(NamedTuple):
    """Log-probability of what was drawn of users given their latents, which are those that the loss's terms need.

    Attributes:
        z: Latents of days, 0 where a day is not active, [B, D', Y].
        active_days: Of each day's being active or not, [B, D'].
        slots: Of which slots are active, 0 where a day is not, [B, D'].
        channels: Of which channels are active in these, [B, D'].
        amounts: Of their counts, [B, D'].
    """

    z: Tensor
    active_days: Tensor
    slots: Tensor
    channels: Tensor
    amounts: Tensor

    @classmethod
    def zeros(cls, users: int, days: int, latents: int) -> LogProbs:
        """Room for those of some users and days."""
        return cls(torch.zeros(users, days, latents), *torch.zeros(4, users, days).unbind())


class DrawnUsers(NamedTuple):
    """Users who were drawn.

    Attributes:
        x: Counts, [B, D', S, C].
        scores: d log p(x) / d shifts, [B, J].
        log_probs: Where they were asked for.
    """

    x: Tensor
    scores: Tensor
    log_probs: LogProbs | None


class UserStates:
    """What is known of B users before a day: a memory, and the state of a recurrent network.

    Args:
        layers: On the processor.
        memory: Of B users.
        h: Their states, [B, H]; zeros at first.

    Attributes:
        memory: The former.
        h: The latter.
    """

    def __init__(self, layers: UserLayers, memory: Memory, h: Tensor | None = None) -> None:
        day = cast("nn.Linear", layers.day[0])
        state = layers.state
        self.layers = layers
        self.memory = memory
        self.hidden = day.out_features
        self.h = torch.zeros(len(memory), self.hidden) if h is None else h
        self.of_day = numbers_of(day.weight.T)
        self.of_day_bias = numbers_of(day.bias)
        self.of_state = state.of_state.weight.detach().T.contiguous()
        self.bias = numbers_of(state.of_state.bias)
        self.told = Sparse(
            np.empty(len(self.of_day), np.int64), np.empty(len(self.of_day), np.float32)
        )
        self.after = np.empty(self.hidden, np.float32)

    def repeated(self, times: int) -> UserStates:
        """The same of every user again and again, [times B]."""
        return UserStates(self.layers, self.memory.repeated(times), self.h.repeat(times, 1))

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def take_in(self, x: Tensor, users: Tensor, days: Days) -> None:
        """A day [n, S, C] of some users [n], the others being silent; ``days`` are those of all, [B]."""
        of_input = self.layers.state.of_input
        inputs = torch.empty(len(x), of_input.in_features)
        inputs[:, self.hidden : -1] = self.layers.told.of_days(days.of(users))
        gap = numbers_of(rows_of(self.memory.gap, users))
        user_kernels.read_days(
            x.numpy(), gap, self.of_day, self.of_day_bias, self.told, inputs.numpy()
        )
        gates = of_input(inputs).numpy(), (rows_of(self.h, users) @ self.of_state).numpy()
        user_kernels.next_states(*gates, self.bias, users.numpy(), self.h.numpy(), self.after)
        self.memory.take_in(x, days.observed, users)


@torch.no_grad()
@torch.autocast("cpu", enabled=False)
def draw_users(
    states: UserStates,
    u: Tensor,
    days: Days,
    shifts: Tensor,
    generator: Generator,
    log_probs: bool = False,
) -> DrawnUsers:
    """Days [B, D', S, C] after those in memory, of all days [B, D].

    Args:
        states: What is known of the users; changed.
        u: All that is known of them besides, [B, Z].
        days: On the calendar.
        shifts: One for each habit.
        generator: Of the noise.
        log_probs: Whether to report the log-probability of what is drawn.
    """
    seed = int(torch.randint(SEEDS, (), generator=generator, device=generator.device))
    draws = _Draws(states, u, Generator().manual_seed(seed))
    memory = states.memory
    told = states.layers.told
    first = memory.days
    last = days.weekday.shape[1]
    slots, channels = memory.store.days_of_cell.shape[1:]
    x = torch.zeros(len(u), last - first, slots, channels)
    places = told.placed(days)
    scores = Scores(len(u), len(shifts), CPU)
    latents = states.layers.p_z.out_features // 2
    found = LogProbs.zeros(len(u), last - first, latents) if log_probs else None
    for number in range(first, last):
        day = days.of((slice(None), number))
        when = (number, told.late(number), told.in_week(day), memory.size)
        now = Shifts.on(shifts, *when)
        active, chance = draws.active(day, places[:, number], now.active)
        users = active.nonzero()[:, 0]
        drawn, z = draws.of_days(users, now, log_probs)
        scores.take_in(*when, active.float() - chance, users, drawn.scores)
        x.numpy()[users.numpy(), number - first] = drawn.x.numpy()
        if found is not None:
            found.z[users, number - first] = z
            found.active_days[:, number - first] = torch.where(active, chance, 1 - chance).log()
            for of_days, of_drawn in zip(found[2:], drawn.log_probs.unbind(1), strict=True):
                of_days[users, number - first] = of_drawn
        drawn_all = day._replace(
            observed=torch.ones_like(day.observed)
        )  # recorded or not, it was drawn
        states.take_in(drawn.x, users, drawn_all)
    return DrawnUsers(x, scores.of_users, found)


class _Draws:
    """Draws a day of each user; weights are laid out once for all of them.

    Args:
        states: What is known of B users; it changes from day to day.
        u: What is known besides, [B, Z].
        generator: Of the noise.
    """

    def __init__(self, states: UserStates, u: Tensor, generator: Generator) -> None:
        self.states = states
        self.layers = states.layers
        self.generator = generator
        self.days = DayDraws(self.layers.p_x, self.layers.pairs)
        known, gate, last = (
            cast("nn.Linear", each)
            for each in (self.layers.known[0], self.layers.gate[0], self.layers.gate[2])
        )
        self.features = states.memory.numbers
        hidden = states.hidden
        sizes = [
            self.features,
            hidden,
            known.in_features - self.features - hidden - u.shape[1],
            u.shape[1],
        ]
        of_features, of_state, of_calendar, of_users = known.weight.detach().T.split(sizes)
        self.of_told = torch.cat([of_features, of_calendar])
        self.of_state = of_state.contiguous()
        self.of_users = numbers_of(torch.addmm(known.bias, u, of_users))
        self.of_known, self.of_history = (
            each.contiguous() for each in gate.weight.detach().T.split([hidden, OF_DAYS])
        )
        self.gate = numbers_of(gate.bias), numbers_of(last.weight[0])
        self.rarely = last.bias.detach()
        self.told = torch.empty(len(u), len(self.of_told))
        self.known = torch.empty(len(u), hidden)
        self.of_gate = torch.empty(len(u), hidden)

    def active(self, day: Days, place: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Whether a day of each user is active, bool [B], and how likely it was.

        Args:
            day: On the calendar, [B].
            place: In the window, [B].
            shift: Of the logit, [B].
        """
        self.states.memory.tell(self.told.numpy())
        self.told[:, self.features :] = self.layers.told.calendar(day, place)
        torch.mm(self.told, self.of_told, out=self.known).addmm_(self.states.h, self.of_state)
        user_kernels.activate(self.known.numpy(), self.of_users)
        history = self.told[:, self.features - OF_DAYS : self.features]
        torch.mm(self.known, self.of_known, out=self.of_gate).addmm_(history, self.of_history)
        chance = self.layers.on_date(day) + shift + self.rarely
        user_kernels.chances(self.of_gate.numpy(), *self.gate, chance.numpy())
        return torch.rand(len(chance), generator=self.generator) < chance, chance

    def of_days(self, users: Tensor, shifts: Shifts, log_probs: bool) -> tuple[DrawnDays, Tensor]:
        """That day of the users who are active on it, [n], and its latents, [n, Y]."""
        known = rows_of(self.known, users)
        z = diagonal(self.layers.p_z(known)).draw(self.generator)
        what = self.layers.what(torch.cat([known, z], -1))
        return self.days.draw(
            what, self.states.memory.past(users), shifts, self.generator, log_probs
        ), z
