"""Chunks of a population: every user is in one, whoever comes after."""

import pytest

from habitus.synthesis.chunks import SMALLEST, Chunks


@pytest.mark.parametrize("most", [1, 7, SMALLEST, 1000, 8192])
@pytest.mark.parametrize("users", [1, SMALLEST, SMALLEST + 1, 20_000])
def test_every_user_is_in_one_chunk(users, most):
    whole = Chunks(users, most)
    chunks = [whole[number] for number in range(len(whole))]
    ends = [begin + size for begin, size in chunks]
    assert [begin for begin, _ in chunks] == [0, *ends[:-1]]
    assert ends[-1] >= users > chunks[-1][0]
    assert max(size for _, size in chunks) <= most
    assert all(size <= max(begin, SMALLEST) for begin, size in chunks)


def test_chunks_do_not_depend_on_how_many_users_there_are():
    few = Chunks(3000, 2048)
    many = Chunks(1_000_000, 2048)
    assert [few[number] for number in range(len(few))] == [
        many[number] for number in range(len(few))
    ]
    assert many[len(many) - 1][1] == 2048
