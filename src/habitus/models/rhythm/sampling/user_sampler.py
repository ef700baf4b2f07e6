"""Users drawn day after day, each day from the days before it.

Users are drawn on the CPU, whatever the model's device: torch computes matrix products, compiled
loops the rest, and inactive days cost little.

Letters: B users, D days, D' drawn days, S slots, C channels, H hidden units, F features of the
history, J logit offsets, n users with an active day, Y latents of a day, U numbers known of a user.
"""

from __future__ import annotations

from copy import copy, deepcopy
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from habitus.models.parts.examples import Days
from habitus.models.parts.gaussians import diagonal
from habitus.models.parts.indexing import rows_of
from habitus.models.rhythm.history.features import RECENT_FEATURES
from habitus.models.rhythm.sampling.day_sampler import SEEDS, DaySampler, to_numpy
from habitus.models.rhythm.sampling.kernels import users as kernels
from habitus.models.rhythm.sampling.kernels.compiled import Sparse
from habitus.models.rhythm.sampling.running_history import RunningHistory
from habitus.models.rhythm.statistics import DayOffsets, OffsetScores

if TYPE_CHECKING:
    from habitus.models.rhythm.model import Rhythm

CPU = torch.device("cpu")


class LogProbs(NamedTuple):
    """Log-probability of drawn days given the latents, by terms of the loss, and these latents.

    Attributes:
        z: Latents of days, 0 where a day is not active, [B, D', Y].
        active_days: log p(a_d), [B, D'].
        slots: Log-probability of the active slots, 0 on inactive days, [B, D'].
        channels: Log-probability of the active channels in these slots, [B, D'].
        amounts: Log-probability of the counts of these channels, [B, D'].
    """

    z: Tensor
    active_days: Tensor
    slots: Tensor
    channels: Tensor
    amounts: Tensor


class DrawnUsers(NamedTuple):
    """Users who were drawn.

    Attributes:
        x: Counts, [B, D', S, C].
        scores: d log p(x) / d logit offsets, [B, J].
        log_probs: Log-probabilities, if they were asked for.
    """

    x: Tensor
    scores: Tensor
    log_probs: LogProbs | None


class UserSampler:
    """Sampler of the days of users after those that it has read or drawn.

    Args:
        model: The model, on any device; the sampler works on the processor.
        users: B.

    Attributes:
        history: History of the users so far.
        h: State of each user so far, [B, H].
    """

    def __init__(self, model: Rhythm, users: int) -> None:
        self.model = model if model.pairs.device == CPU else deepcopy(model).to(CPU)
        slots, channels = self.model.axes.shape[1:]
        self.history = RunningHistory(users, slots, channels, self.model.pairs)
        self.hidden = self.model.config.hidden
        self.h = torch.zeros(users, self.hidden)
        day = cast("nn.Linear", self.model.day_encoder[0])
        self.of_day = to_numpy(day.weight.T)
        self.of_day_bias = to_numpy(day.bias)
        of_state = self.model.state.of_state
        self.of_state = of_state.weight.detach().T.contiguous()
        self.of_state_bias = to_numpy(of_state.bias)
        inputs = len(self.of_day)
        self.entries = Sparse(np.empty(inputs, np.int64), np.empty(inputs, np.float32))
        self.after = np.empty(self.hidden, np.float32)

    def repeated(self, times: int) -> UserSampler:
        """Repeat all users, [times B]."""
        again = copy(self)
        again.history = self.history.repeated(times)
        again.h = self.h.repeat(times, 1)
        return again

    def read(self, x: Tensor, days: Days) -> None:
        """Read the first days [B, D', S, C] of all days [B, D]."""
        days = days.to(CPU)
        for number, day in enumerate(x.cpu().unbind(1)):
            users = day.flatten(1).any(1).nonzero()[:, 0]
            self._add_day(rows_of(day, users), users, days.of((slice(None), number)))

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def _add_day(self, x: Tensor, users: Tensor, days: Days) -> None:
        """Update history and states by a day.

        Args:
            x: Counts of the active users, [n, S, C].
            users: Numbers of these, [n].
            days: The day of all users, [B].
        """
        of_input = self.model.state.of_input
        inputs = torch.empty(len(x), of_input.in_features)
        inputs[:, self.hidden : -1] = self.model.conditioning.day_features(days.of(users))
        gap = to_numpy(rows_of(self.history.gap, users))
        kernels.write_state_inputs(
            x.numpy(), gap, self.of_day, self.of_day_bias, self.entries, inputs.numpy()
        )
        of_inputs = of_input(inputs).numpy()
        of_states = (rows_of(self.h, users) @ self.of_state).numpy()
        kernels.update_states(
            of_inputs, of_states, self.of_state_bias, users.numpy(), self.h.numpy(), self.after
        )
        self.history.add_day(x, days.observed, users)

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def draw(
        self,
        u: Tensor,
        days: Days,
        offsets: Tensor,
        generator: Generator,
        log_probs: bool = False,
    ) -> DrawnUsers:
        """Draw the days [B, D', S, C] after those so far; counts are on the device of ``u``.

        Args:
            u: Latents and features of attributes of the users, [B, U].
            days: All days, also those so far, [B, D].
            offsets: Logit offsets, [J].
            generator: Source of randomness.
            log_probs: Whether to report the log-probability of what is drawn.
        """
        device = u.device
        u = u.cpu()
        days = days.to(CPU)
        offsets = offsets.cpu()
        seed = torch.randint(SEEDS, (), generator=generator, device=generator.device)
        noise = Generator().manual_seed(int(seed))
        conditioning = self.model.conditioning
        p_x = self.model.p_x
        history = self.history
        contexts = _Contexts(self.model, u, history.feature_count)
        day_sampler = DaySampler(p_x, self.model.pairs)
        first = history.days
        drawn_days = days.weekday.shape[1] - first
        x = torch.zeros(len(u), drawn_days, p_x.slots, p_x.channels)
        positions = conditioning.positions(days)
        scores = OffsetScores(len(u), len(offsets), CPU)
        latents = self.model.p_z.out_features // 2
        found = None
        if log_probs:
            terms = torch.zeros(4, len(u), drawn_days)
            found = LogProbs(torch.zeros(len(u), drawn_days, latents), *terms.unbind())
        for place in range(drawn_days):
            number = first + place
            day = days.of((slice(None), number))
            weekday = conditioning.weekdays(day)
            when = (number, conditioning.progress(number), weekday, history.log_largest)
            of_day = DayOffsets.on(offsets, *when)
            context = contexts.of_day(history, self.h, day, positions[:, number])
            probability = contexts.active_probability(day, of_day.active)
            active = torch.rand(len(u), generator=noise) < probability
            users = active.nonzero()[:, 0]
            context = rows_of(context, users)
            z = diagonal(self.model.p_z(context)).draw(noise)
            h = self.model.day_features(torch.cat([context, z], -1))
            drawn = day_sampler.draw(h, history.of_users(users), of_day, noise, log_probs)
            scores.add_day(*when, active.float() - probability, users, drawn.scores)
            x.numpy()[users.numpy(), place] = drawn.x.numpy()
            if found is not None:
                found.z[users, place] = z
                drawn_with = torch.where(active, probability, 1 - probability)
                found.active_days[:, place] = drawn_with.log()
                for term, of_drawn in zip(found[2:], drawn.log_probs.unbind(1), strict=True):
                    term[users, place] = of_drawn
            # a day that is drawn is known, whether it will be recorded or not
            self._add_day(drawn.x, users, day._replace(observed=torch.ones_like(day.observed)))
        return DrawnUsers(x.to(device), scores.of_users.to(device), found)


class _Contexts:
    """Contexts k_d of a day of all users, and the probability that it is active.

    Args:
        model: The model, on the processor.
        u: Latents and features of attributes of the users, [B, U].
        features: F.
    """

    def __init__(self, model: Rhythm, u: Tensor, features: int) -> None:
        self.model = model
        self.features = features
        layer = cast("nn.Linear", model.context[0])
        hidden = layer.out_features
        calendar = layer.in_features - features - hidden - u.shape[1]
        of_features, of_state, of_calendar, of_users = layer.weight.detach().T.split(
            [features, hidden, calendar, u.shape[1]]
        )
        self.of_inputs = torch.cat([of_features, of_calendar])
        self.of_state = of_state.contiguous()
        self.of_users = to_numpy(torch.addmm(layer.bias, u, of_users))
        first, last = (cast("nn.Linear", model.active_day[each]) for each in (0, 2))
        of_context, of_history = first.weight.detach().T.split([hidden, RECENT_FEATURES])
        self.of_context = of_context.contiguous()
        self.of_history = of_history.contiguous()
        self.bias = to_numpy(first.bias)
        self.weights = to_numpy(last.weight[0])
        self.last_bias = last.bias.detach()
        self.inputs = torch.empty(len(u), len(self.of_inputs))
        self.context = torch.empty(len(u), hidden)
        self.sums = torch.empty(len(u), hidden)

    def of_day(self, history: RunningHistory, h: Tensor, day: Days, position: Tensor) -> Tensor:
        """Compute the contexts of a day, [B, H].

        Args:
            history: History before the day.
            h: States before the day, [B, H].
            day: The day of all users, [B].
            position: Its position in the window, [B].
        """
        history.write_features(self.inputs.numpy())
        self.inputs[:, self.features :] = self.model.conditioning.calendar(day, position)
        torch.mm(self.inputs, self.of_inputs, out=self.context).addmm_(h, self.of_state)
        kernels.add_and_activate(self.context.numpy(), self.of_users)
        return self.context

    def active_probability(self, day: Days, offset: Tensor) -> Tensor:
        """Compute the probability that the day is active, with an offset of its logit, [B]."""
        history = self.inputs[:, self.features - RECENT_FEATURES : self.features]
        torch.mm(self.context, self.of_context, out=self.sums).addmm_(history, self.of_history)
        probability = self.model.calendar_logits(day) + offset + self.last_bias
        kernels.write_probabilities(self.sums.numpy(), self.bias, self.weights, probability.numpy())
        return probability
