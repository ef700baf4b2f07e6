"""Models of series whose weights are set by hand so that they are linear, and the exact answers to them.

SiLU far from zero is the identity, tanh near zero too, and gates with large biases are open or
closed: within float32 a network with such weights is a linear map, or a leaky sum of the past.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from habitus.models.recurrent.lstm_gru import GRU, LSTM, RecurrentConfig
from habitus.models.recurrent.observations import LEAST_SCALE
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.schema import SeriesAxes

ONE = SeriesAxes(("a",))
OPEN = 30.0  # SiLU is the identity from about 20 on; a gate with this bias is 1, or with -OPEN 0
SMALL = 1e-3  # tanh is the identity up to this


@dataclass(frozen=True)
class StateSpace:
    """x_(t+1) = rho x_t + N(0, q), v_t = x_t + N(0, r), begun from the spread that its filter settles at.

    So the filter's gain is the same at every step: its mean is a leaky sum of the past.
    """

    rho: float = 0.95
    q: float = 0.09
    r: float = 0.25

    @property
    def predicted(self) -> float:
        """Variance of x_t given the values before it: the positive root of the Riccati equation."""
        half = (self.r * (1 - self.rho**2) - self.q) / 2
        return -half + math.sqrt(half**2 + self.q * self.r)

    @property
    def gain(self) -> float:
        """Of the filter."""
        return self.predicted / (self.predicted + self.r)

    def series(self, count: int, steps: int, seed: int) -> np.ndarray:
        """Draws [count, steps]."""
        rng = np.random.default_rng(seed)
        x = math.sqrt(self.predicted) * rng.normal(size=count)
        found = []
        for _ in range(steps):
            found.append(x + math.sqrt(self.r) * rng.normal(size=count))
            x = self.rho * x + math.sqrt(self.q) * rng.normal(size=count)
        return np.stack(found, 1)

    def filtered(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """The Kalman filter: log p(v) of series [B, T], and mean [B] and variance of the state after them."""
        mean = np.zeros(len(v))
        variance = self.predicted
        total = np.zeros(len(v))
        for t in range(v.shape[1]):
            spread = variance + self.r
            away = v[:, t] - mean
            total -= 0.5 * (away**2 / spread + math.log(2 * math.pi * spread))
            gain = variance / spread
            mean = self.rho * (mean + gain * away)
            variance = self.rho**2 * (1 - gain) * variance + self.q
        return total, mean, variance

    def covariance(self, steps: int) -> np.ndarray:
        """Of a whole series [T, T], by running the equations on unit noises."""
        noises = np.eye(steps) * math.sqrt(self.q)
        noises[0, 0] = math.sqrt(self.predicted)
        state = np.zeros((steps, steps))
        for t in range(steps):
            state[t] = (self.rho * state[t - 1] if t else 0.0) + noises[t]
        return state @ state.T + self.r * np.eye(steps)

    def ahead(self, mean: np.ndarray, horizon: int) -> tuple[np.ndarray, float]:
        """Mean and variance of the value so many steps after the past, from the filter's mean there."""
        variance = self.predicted
        for _ in range(horizon - 1):
            variance = self.rho**2 * variance + self.q
        return self.rho ** (horizon - 1) * mean, variance + self.r


def spread_feature(sigma: float) -> float:
    """The feature that makes a Gaussian observation's standard deviation sigma."""
    return math.log(math.expm1(sigma - LEAST_SCALE)) - 0.5413


def make_linear(net: nn.Sequential, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Set a perceptron to weight x + bias; it needs as many hidden units as outputs."""
    first = net[0]
    last = net[2]
    outputs = len(weight)
    for layer in (first, last):
        layer.weight.zero_()
    first.weight[:outputs] = weight
    first.bias.fill_(OPEN)
    last.weight[:, :outputs] = torch.eye(outputs)
    last.bias.copy_(bias - OPEN)


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def leaky_lstm(lstm: nn.LSTM, keep: float) -> None:
    """Unit 0: c_t = keep c_(t-1) + SMALL v_t; the rest stays at zero."""
    for weight in lstm.parameters():
        weight.zero_()
    units = lstm.hidden_size
    lstm.weight_ih_l0[2 * units, 0] = SMALL
    lstm.bias_ih_l0[:units] = OPEN
    lstm.bias_ih_l0[units : 2 * units] = logit(keep)
    lstm.bias_ih_l0[3 * units :] = OPEN


def leaky_gru(gru: nn.GRU, keep: float) -> None:
    """Unit 0: h_t = keep h_(t-1) + (1 - keep) SMALL v_t."""
    for weight in gru.parameters():
        weight.zero_()
    units = gru.hidden_size
    gru.bias_ih_l0[units : 2 * units] = logit(keep)
    gru.weight_ih_l0[2 * units, 0] = SMALL


@torch.no_grad()
def filtering(kind: type[LSTM | GRU], space: StateSpace) -> LSTM:
    """A recurrent network that is the Kalman filter."""
    model = kind(ONE, RecurrentConfig(hidden=2, window=32)).eval()
    keep = space.rho * (1 - space.gain)
    (leaky_gru if kind is GRU else leaky_lstm)(model.rnn, keep)
    of_sum = space.rho * space.gain / SMALL / ((1 - keep) if kind is GRU else 1)
    sigma = math.sqrt(space.predicted + space.r)
    make_linear(
        model.features,
        torch.tensor([[of_sum, 0.0], [0.0, 0.0]]),
        torch.tensor([0, spread_feature(sigma)]),
    )
    return model


@torch.no_grad()
def filtering_tdlgm(space: StateSpace, *, exact: bool = True) -> TDLGM:
    """A tDLGM that is the Kalman filter: its latent is the state's noise, recognised exactly, or as its prior."""
    model = TDLGM(ONE, TDLGMConfig(hidden=4, latents=1, window=32)).eval()
    for weight in model.parameters():
        weight.zero_()
    of_sum = space.rho * space.gain / SMALL
    root = math.sqrt(space.predicted)
    leaky_lstm(model.F_hat[0].lstm, space.rho * (1 - space.gain))
    model.R[0].of_input.bias[4:8] = OPEN  # the state is kept,
    model.R[0].of_input.bias[12:] = OPEN  # and told
    model.G[0].weight[0, 0] = root / of_sum
    decoder = torch.zeros(2, 4)
    decoder[0, 0] = of_sum
    make_linear(model.T_0, decoder, torch.tensor([0.0, spread_feature(math.sqrt(space.r))]))
    recogniser = torch.zeros(4, 6)
    bias = torch.zeros(4)  # mean and log-variance of each layer; from v, seen, s
    if exact:
        share = root / (space.predicted + space.r)
        recogniser[0, 0] = share
        recogniser[0, 2] = -share * of_sum
        bias[1] = math.log(1 - space.gain)
    make_linear(model.q_xi, recogniser, bias)
    return model
