"""ARC: rank-biased overlap against a textbook implementation and values worked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from mmx_core.attribution.arc import rank_biased_overlap


def textbook(first: list[int], second: list[int], persistence: float) -> float:
    """Webber, Moffat, Zobel 2010, equation by equation: one loop over depths."""
    total = weight = 0.0
    for depth in range(1, len(first) + 1):
        overlap = len(set(first[:depth]) & set(second[:depth]))
        total += persistence ** (depth - 1) * overlap / depth
        weight += persistence ** (depth - 1)
    return total / weight


def score(first: list[int], second: list[int], persistence: float = 0.9) -> float:
    return float(
        rank_biased_overlap(torch.tensor([first]), torch.tensor([second]), persistence=persistence)
    )


def test_identical_rankings_score_one_and_disjoint_ones_zero() -> None:
    assert score([3, 1, 2], [3, 1, 2]) == pytest.approx(1.0, abs=1e-6)
    assert score([3, 1, 2], [4, 5, 6]) == 0.0


def test_a_case_worked_by_hand() -> None:
    # Depths 1, 2: prefixes {1}/{2} share none, {1,2}/{2,1} share both: (0 + .5 * 1) / (1 + .5).
    assert score([1, 2], [2, 1], persistence=0.5) == pytest.approx(1 / 3)


def test_agreement_at_the_top_counts_more_than_at_the_bottom() -> None:
    assert score([1, 2, 3, 4], [1, 7, 8, 9]) > score([1, 2, 3, 4], [7, 8, 9, 4])


@given(data=st.data(), depth=st.integers(1, 12), persistence=st.floats(0.05, 0.98))
def test_every_pair_equals_the_textbook(
    data: st.DataObject, depth: int, persistence: float
) -> None:
    ranking = st.lists(st.integers(0, 20), min_size=depth, max_size=depth, unique=True)
    targets = data.draw(st.lists(ranking, min_size=1, max_size=4))
    context = data.draw(st.lists(ranking, min_size=1, max_size=5))
    got = rank_biased_overlap(torch.tensor(targets), torch.tensor(context), persistence=persistence)
    expected = torch.tensor([[textbook(t, c, persistence) for c in context] for t in targets])
    assert torch.allclose(got, expected, atol=1e-5)
    assert (got >= 0).all() and (got <= 1).all()


@given(st.permutations(list(range(10))), st.permutations(list(range(10))))
def test_it_is_symmetric_and_a_longer_common_prefix_never_scores_less(
    first: list[int], second: list[int]
) -> None:
    assert score(first, second) == pytest.approx(score(second, first), abs=1e-6)
    with_prefix = [*first[:3], *[x for x in second if x not in first[:3]]]
    longer_prefix = [*first[:6], *[x for x in second if x not in first[:6]]]
    assert score(first, longer_prefix) >= score(first, with_prefix) - 1e-6


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.stack([torch.randperm(100, generator=generator)[:20] for _ in range(9)])
    context = torch.stack([torch.randperm(100, generator=generator)[:20] for _ in range(31)])
    whole = rank_biased_overlap(targets, context)
    monkeypatch.setattr("mmx_core.attribution.arc._TABLE_ELEMENTS", 250)
    monkeypatch.setattr("mmx_core.attribution.arc._BLOCK_ELEMENTS", 70)
    parts = rank_biased_overlap(targets, context)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-6)


def test_rankings_of_different_depth_are_refused_with_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 3\)"):
        score([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="persistence"):
        score([1], [1], persistence=1.0)
    with pytest.raises(ValueError, match="persistence"):
        score([1], [1], persistence=0.0)


class Compared(TorchFunctionMode):
    """Notes the shapes of what is compared at once."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.minimum:
            self.shapes.append(tuple(args[0].shape))
        return func(*args, **(kwargs or {}))


def test_blocks_are_as_large_as_allowed_and_no_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    rankings = torch.arange(20).repeat(9, 1)
    with Compared() as whole:
        rank_biased_overlap(rankings, rankings)
    assert whole.shapes == [(9, 20, 9)]
    # A table of 20 ids holds 2 rankings in 50 elements; 2 of them and one target's take 40 of 99.
    monkeypatch.setattr("mmx_core.attribution.arc._TABLE_ELEMENTS", 50)
    monkeypatch.setattr("mmx_core.attribution.arc._BLOCK_ELEMENTS", 99)
    with Compared() as parts:
        rank_biased_overlap(rankings, rankings)
    column = [(2, 20, 2)] * 4 + [(1, 20, 2)]
    assert parts.shapes == column * 4 + [(4, 20, 1), (4, 20, 1), (1, 20, 1)]
    monkeypatch.setattr("mmx_core.attribution.arc._TABLE_ELEMENTS", 1)
    monkeypatch.setattr("mmx_core.attribution.arc._BLOCK_ELEMENTS", 1)
    with Compared() as single:
        rank_biased_overlap(rankings, rankings)
    assert single.shapes == [(1, 20, 1)] * 81
