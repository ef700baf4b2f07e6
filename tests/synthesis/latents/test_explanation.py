"""Traversals and explanations, of a model whose latents are known by construction."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import norm

from habitus.models.pictures.context_vae import ContextVAE
from habitus.report.explained import changes_in_words, write_explanation
from habitus.run import Run
from habitus.synthesis.latents.explanation import Change, explain, name_of
from habitus.synthesis.latents.traversal import points_of, traverse
from habitus.training.encoding import IN_USE, encode
from known_latents import AXES, HOUR, NOTHING, TOTAL, WEEK, Known, known_profiles, known_run


@pytest.fixture(scope="module")
def explained():
    profiles, _ = known_profiles()
    return explain(known_run(), profiles, seed=0, walks=32)


def of(found, number):
    return next(each for each in found.dimensions if each.number == number)


class TestEncode:
    def test_every_profile_in_order(self):
        profiles, z = known_profiles(700)
        posterior = encode(Known(), profiles)
        assert posterior.mean.shape == (700, 4)
        assert np.corrcoef(posterior.mean[:, TOTAL], z[:, TOTAL])[0, 1] > 0.98
        one = Known().encode(torch.from_numpy(profiles.dense(slice(650, 651))))
        torch.testing.assert_close(posterior.mean[650], one.mean[0])

    def test_variance_and_kl_are_those_of_the_closed_form(self):
        posterior = encode(Known(), known_profiles(50)[0])
        torch.testing.assert_close(posterior.variance, torch.tensor([0.01, 0.04, 1.0, 0.09]))
        mean = posterior.mean
        variance = posterior.stddev**2
        expected = 0.5 * (mean**2 + variance - 1 - variance.log()).mean(0)
        torch.testing.assert_close(posterior.kl, expected)
        assert posterior.kl[NOTHING] < IN_USE

    def test_nobody(self):
        with pytest.raises(ValueError, match="got none"):
            encode(Known(), known_profiles(3)[0].slice(0, 0))


class TestTraverse:
    def test_points_are_evenly_spaced_in_probability(self):
        points = points_of(10)
        assert points[0] == pytest.approx(-3)
        assert points[-1] == pytest.approx(3)
        np.testing.assert_allclose(np.diff(norm.cdf(points), n=2), 0, atol=1e-12)

    def test_pictures_are_those_of_the_decoder_and_only_one_dimension_moves(self):
        made = traverse(known_run(), [HOUR], 5, seed=3)
        z = torch.from_numpy(made.fixed).repeat(5, 1)
        z[:, HOUR] = torch.from_numpy(made.points).float()
        np.testing.assert_allclose(made.pictures[0], Known().decode(z).mean.numpy(), rtol=1e-6)
        assert made.pictures.shape == (1, 5, *AXES.shape)

    def test_order_by_variance_as_the_paper_and_by_kl(self):
        run = known_run(variance=(0.5, 0.04, 1.0, 0.09), kl=(3.0, 1.0, 0.0, 1.5))
        assert traverse(run, points=2).dims.tolist() == [HOUR, WEEK, TOTAL, NOTHING]
        assert traverse(run, points=2, order="kl").dims.tolist() == [TOTAL, WEEK, HOUR, NOTHING]

    def test_the_same_seed_fixes_the_same_values(self):
        first, again, other = (traverse(known_run(), [0], 2, seed=seed).fixed for seed in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"dims": [4]}, "no dimension 4; the run has 4, from 0 to 3"),
            ({"dims": [-1]}, "no dimension -1"),
            ({"dims": []}, "at least one dimension"),
            ({"points": 1}, "points must be at least 2"),
            ({"order": "size"}, "order must be variance or kl"),
            ({"prior": "mixture"}, "no mixture prior"),
        ],
    )
    def test_refused(self, settings, expected):
        with pytest.raises(ValueError, match=expected):
            traverse(known_run(), **settings)

    def test_a_run_without_latents(self, axes):
        with pytest.raises(ValueError, match="ContextVAE has no latents"):
            traverse(Run(ContextVAE(axes), None, {}, {}, {}))

    def test_a_run_that_kept_nothing_of_them(self):
        with pytest.raises(ValueError, match="fit it again"):
            traverse(Run(Known(), None, {}, {}, {}))


class TestExplain:
    def test_each_dimension_is_named_for_what_it_does(self, explained):
        assert of(explained, TOTAL).name.startswith("much activity against little activity")
        assert of(explained, HOUR).name == "evening against morning"
        assert of(explained, WEEK).name.startswith("weekends against weekdays")
        assert of(explained, NOTHING).name == "not in use"
        assert explained.in_use == 3

    def test_changes_are_those_of_the_model(self, explained):
        total = of(explained, TOTAL).changes["total activity"]
        assert total.low == pytest.approx(60 * np.exp(-3), rel=0.01)
        assert total.high == pytest.approx(60 * np.exp(3), rel=0.01)
        hour = of(explained, HOUR).changes["peak hour"]
        assert (hour.low, hour.high) == pytest.approx((9.5, 19.5), abs=0.6)
        assert (hour.q05, hour.q95) == pytest.approx((10, 10), abs=0.6)  # whatever the others are
        weekend = of(explained, WEEK).changes["weekend share"]
        assert weekend.change == pytest.approx(1 / (1 + np.exp(-3)) - 1 / (1 + np.exp(3)), abs=1e-3)

    def test_what_a_dimension_does_not_touch_does_not_change(self, explained):
        for habit, change in of(explained, NOTHING).changes.items():
            assert change.change == pytest.approx(0, abs=1e-9), habit
            assert not change.clear

    def test_real_users_agree(self, explained):
        assert of(explained, TOTAL).changes["total activity"].association > 0.99
        assert of(explained, WEEK).changes["weekend share"].association > 0.95
        assert of(explained, NOTHING).changes["peak hour"].association < 0.2

    def test_json_has_all_but_pictures(self, explained):
        told = json.loads(json.dumps(explained.to_json(), allow_nan=False))
        assert [each["dimension"] for each in told["dimensions"]] == [
            e.number for e in explained.dimensions
        ]
        assert told["dimensions"][0]["habits"]["total activity"].keys() >= {
            "low",
            "high",
            "q05",
            "q95",
            "clear",
        }

    def test_the_page_names_every_dimension(self, explained, tmp_path):
        write_explanation(tmp_path / "page.html", explained)
        text = (tmp_path / "page.html").read_text()
        assert all(f'<th scope="row">z{number}</th>' in text for number in range(4))
        assert text.count("<svg") == 1 + explained.in_use

    def test_words_of_changes_leave_out_what_is_not_clear(self, explained):
        assert "peak hour 09:30 to 19:30" in changes_in_words(of(explained, HOUR))
        assert changes_in_words(of(explained, NOTHING)).startswith("nothing")

    def test_profiles_of_another_shape(self, population):
        with pytest.raises(ValueError, match="days differ"):
            explain(known_run(), population)


def change(low, high, clear=True, spread=1.0, association=1.0):
    gap = high - low
    ends = (gap, gap) if clear else (-1.0, 1.0)
    return Change(low, high, gap, *ends, spread, association)


class TestNames:
    def test_a_second_habit_only_where_it_is_half_as_strong(self):
        strong = change(0.0, 4.0)
        weak = change(1.0, 2.0)
        assert (
            name_of({"total activity": strong, "active days": weak})
            == "much activity against little activity"
        )
        assert (
            name_of({"total activity": strong, "active days": change(0.0, 3.0)}).count("against")
            == 2
        )

    def test_channels_are_told_as_a_pair(self):
        changes = {"share of web": change(0.1, 0.9), "share of phone": change(0.8, 0.2)}
        assert name_of(changes).startswith("web against phone")

    def test_what_differs_between_walks_or_not_between_users_names_nothing(self):
        assert name_of({"total activity": change(0.0, 4.0, clear=False)}) == "no clear habit"
        assert name_of({"total activity": change(0.0, 4.0, association=0.01)}) == "no clear habit"

    def test_a_fall_is_told_from_its_high_end(self):
        assert (
            name_of({"active days": change(20.0, 3.0)})
            == "few active days against many active days"
        )
