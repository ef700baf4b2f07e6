"""Batches: the same order for the same seed, everybody chosen once per epoch, in memory or not."""

import numpy as np
import pytest

from conftest import random_profiles
from habitus.profiles import Batches, batches, save, sparse, store


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    for module in (sparse, store, batches):
        monkeypatch.setattr(module, "CHUNK", 16)


@pytest.fixture(params=["memory", "disk"])
def source(request, tmp_path, population):
    return (
        population
        if request.param == "memory"
        else save(tmp_path / "p", [population], population.axes)
    )


def users(batches_of_epoch) -> list[list[int]]:
    return [batch.users["user"].to_pylist() for batch in batches_of_epoch]


@pytest.mark.parametrize("buffer", [1000, 40, 1])
@pytest.mark.parametrize("size", [1, 7, 50, 500])
def test_everybody_chosen_comes_once_and_nobody_else(source, population, buffer, size):
    chosen = np.random.default_rng(0).random(len(population)) < 0.7
    chosen[32:48] = False  # a group of which nobody is chosen
    made = Batches(source, chosen, "peak", size, seed=5, buffer=buffer)
    drawn = list(made.epoch(0))
    flat = [user for names in users(drawn) for user in names]
    assert sorted(flat) == np.flatnonzero(chosen).tolist()
    assert len(drawn) == made.per_epoch
    assert [len(batch) for batch in drawn[:-1]] == [size] * (made.per_epoch - 1)
    want = population.in_unit("peak").dense()
    assert all(
        (batch.dense() == want[names]).all()
        for batch, names in zip(drawn, users(drawn), strict=True)
    )


@pytest.mark.parametrize("buffer", [1000, 40])
def test_the_order_is_a_function_of_seed_and_epoch(source, population, buffer):
    def order(seed: int, epoch: int) -> list[list[int]]:
        everybody = np.ones(len(population), bool)
        return users(Batches(source, everybody, "count", 7, seed, buffer).epoch(epoch))

    assert order(1, 2) == order(1, 2)
    assert len({str(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_memory_and_disk_give_the_same(tmp_path, population):
    stored = save(tmp_path / "p", [population], population.axes)
    everybody = np.ones(len(population), bool)
    both = [
        users(Batches(source, everybody, "count", 9, 3, 50).epoch(1))
        for source in (population, stored)
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize("most", [1, 20, 1000])
def test_a_sample_is_of_the_chosen(source, population, most):
    chosen = np.arange(len(population)) % 3 == 0
    drawn = Batches(source, chosen, "count", 7, seed=0).sample(most).users["user"].to_pylist()
    assert len(set(drawn)) == len(drawn) == min(most, 40)
    assert set(drawn) <= set(np.flatnonzero(chosen).tolist())


def test_nobody_chosen(source, axes):
    assert list(Batches(source, np.zeros(120, bool), "count", 7, seed=0).epoch(0)) == []
    assert len(random_profiles(axes, 1)) == 1
