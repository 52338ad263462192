"""Lens, MSEA, suppression, filter and agreement: arithmetic on small tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import tensor

from mmx_core.attribution import agreement as agreement_module
from mmx_core.attribution.agreement import agreement
from mmx_core.attribution.logit_lens import gathered_logits, lens, view_grounding
from mmx_core.attribution.msea import aggregate, resize
from mmx_core.attribution.rank_filter import rank_gaussian_filter
from mmx_core.attribution.ranking import Ranked, leading
from mmx_core.attribution.suppression import (
    least_squares,
    share,
    share_weights,
    subtract,
    subtractive_weights,
)
from mmx_core.models.running import to_host


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gathered_logits_equal_the_rows_of_the_whole_head(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 50, bias=True).to(dtype)
    hidden = torch.randn(7, 16).to(dtype)
    ids = tensor([3, 3, 49, 0])
    whole = (hidden.float() @ head.weight.float().T + head.bias.float()).T[ids]
    got = gathered_logits(hidden, head.weight, ids, head.bias)
    assert got.dtype == torch.float32
    assert torch.allclose(got, whole, atol=1e-5)


def test_the_lens_keeps_what_speaks_for_a_class() -> None:
    assert lens(tensor([[-1.0, 0.0, 2.0]])).tolist() == [[0.0, 0.0, 2.0]]


def test_grounding_is_the_share_on_the_image_and_zero_when_nothing_is_active() -> None:
    visual, text = tensor([[3.0, 0.0], [0.0, 0.0]]), tensor([[1.0], [0.0]])
    assert view_grounding(visual, text, [2]).tolist() == [[0.75], [0.0]]


def test_grounding_is_split_by_image() -> None:
    visual, text = tensor([[3.0, 0.0, 1.0, 2.0]]), tensor([[1.0, 1.0]])
    assert view_grounding(visual, text, [1, 3]).tolist() == [[0.375, 0.375]]


def test_a_token_that_lights_hardly_anything_has_its_share_all_the_same() -> None:
    visual, text = tensor([[3e-6, 0.0], [3e-30, 0.0]]), tensor([[1e-6], [1e-30]])
    got = view_grounding(visual, text, [1, 1])
    assert torch.allclose(got, tensor([[0.75, 0.0], [0.75, 0.0]]))


NAN = float("nan")


def test_what_no_scale_sees_stays_unknown_and_what_one_sees_is_its_own() -> None:
    coarse = tensor([[[NAN, 4.0]]])
    fine = tensor([[[NAN, 2.0, 2.0, 2.0]]])
    for aggregation in ("mean", "geometric"):
        result = aggregate([coarse, fine], aggregation=aggregation, partial=True)[0, 0]
        assert torch.isnan(result[0]), "neither scale sees it"
        assert result[1] == 2.0, "the fine scale alone sees it"
        expected = 3.0 if aggregation == "mean" else 8.0**0.5
        assert torch.allclose(result[2:], tensor([expected, expected]))
    weighed = aggregate(
        [coarse, fine], aggregation="agreement", probability=tensor([[0.75], [0.25]]), partial=True
    )[0, 0]
    assert torch.isnan(weighed[0]) and weighed[1:].tolist() == [2.0, 3.5, 3.5]
    impossible = tensor([[1.0], [0.0]])
    weighed = aggregate(
        [coarse, fine], aggregation="agreement", probability=impossible, partial=True
    )[0, 0]
    assert torch.isnan(weighed[0]) and weighed[1:].tolist() == [2.0, 4.0, 4.0], "seen, if in vain"


def test_the_floor_of_one_of_several_images_is_that_of_the_brightest() -> None:
    dark, light = tensor([[[0.0, 1.0]]]), tensor([[[4.0, 4.0]]])
    top = [tensor([100.0]), tensor([100.0])]
    result = aggregate([dark, light], aggregation="geometric", highest=top)
    assert torch.allclose(result, tensor([[[2.0, 2.0]]]))


def test_the_mean_of_two_scales_is_on_the_finest_grid() -> None:
    coarse, fine = torch.full((1, 1, 1), 4.0), torch.arange(4.0).view(1, 2, 2)
    result = aggregate([coarse, fine], aggregation="mean")
    assert result.tolist() == [[[2.0, 2.5], [3.0, 3.5]]]


def test_the_finest_scale_is_that_of_most_cells_not_of_most_rows() -> None:
    tall, wide = torch.full((1, 2, 1), 1.0), torch.full((1, 1, 4), 3.0)
    assert aggregate([tall, wide], aggregation="mean").tolist() == [[[2.0] * 4]]


def test_a_map_of_the_grid_asked_for_is_left_as_it_is() -> None:
    maps = tensor([[[1.0, NAN]]])
    assert resize(maps, (1, 2)) is maps


def test_the_geometric_mean_floors_each_map_at_one_percent_of_its_maximum() -> None:
    first, second = tensor([[[100.0, 0.0]]]), tensor([[[1.0, 4.0]]])
    result = aggregate([first, second], aggregation="geometric")
    assert torch.allclose(result, tensor([[[10.0, 2.0]]]))


def test_the_geometric_mean_of_an_unlit_scale_is_zero_not_nan() -> None:
    result = aggregate([torch.zeros(1, 1, 2), torch.ones(1, 1, 2)], aggregation="geometric")
    assert result.tolist() == [[[0.0, 0.0]]]


def test_agreement_weights_scales_by_the_probability_of_the_token() -> None:
    maps = [torch.full((2, 1, 1), 8.0), torch.zeros(2, 1, 1)]
    probability = tensor([[0.75, 0.0], [0.25, 0.0]])
    result = aggregate(maps, aggregation="agreement", probability=probability)
    assert result.flatten().tolist() == [6.0, 4.0]


def test_the_least_squares_coefficient_equals_a_solver() -> None:
    torch.manual_seed(1)
    maps, interference = torch.rand(5, 30), torch.rand(5, 30)
    for got, a, e in zip(least_squares(maps, interference), maps, interference, strict=True):
        solved = np.linalg.lstsq(e.numpy()[:, None], a.numpy(), rcond=None)[0][0]
        assert float(got) == pytest.approx(float(solved), rel=1e-5)
    assert least_squares(maps, torch.zeros_like(maps)).tolist() == [0.0] * 5
    weak = least_squares(tensor([[2e-6, 0.0]]), tensor([[1e-6, 0.0]]))
    assert weak.tolist() == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("irrelevance", [0.9 * 2, 0.4 * 4, 0.0]),
        ("relevance", [0.1 * 2, 0.6 * 4, 0.0]),
        ("competing", [0.0, 4.0, 0.0]),
        ("tam", [0.0, 4.0, 0.0]),
    ],
)
def test_subtractive_weights_follow_their_rule_and_sum_to_one(rule, expected) -> None:  # type: ignore[no-untyped-def]
    weights = subtractive_weights(
        rule,
        relevance=tensor([[0.1, 0.6, 0.9]]),
        activation=tensor([[2.0, 4.0, 8.0]]),
        counts=tensor([[True, True, False]]),
        same_class=tensor([[True, False, False]]),
    )
    assert torch.allclose(weights, tensor([expected]) / sum(expected))


def test_a_token_as_relevant_as_the_gate_competes() -> None:
    weights = subtractive_weights(
        "competing",
        relevance=tensor([[0.5, 0.49]]),
        activation=tensor([[2.0, 4.0]]),
        counts=torch.ones(1, 2, dtype=torch.bool),
        same_class=torch.zeros(1, 2, dtype=torch.bool),
    )
    assert weights.tolist() == [[1.0, 0.0]]
    _, by_token = share_weights(
        relevance=tensor([[0.25, 0.24]]),
        eligible=torch.ones(1, 2, dtype=torch.bool),
        class_of=tensor([1, 2]),
        target_class=tensor([0]),
        class_maps=tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        gate=0.25,
    )
    assert by_token.tolist() == [[1.0, 0.0]]


def test_no_positive_weight_means_nothing_is_subtracted() -> None:
    weights = subtractive_weights(
        "tam",
        relevance=torch.zeros(1, 2),
        activation=torch.zeros(1, 2),
        counts=torch.ones(1, 2, dtype=torch.bool),
        same_class=torch.zeros(1, 2, dtype=torch.bool),
    )
    maps = tensor([[1.0, 2.0]])
    assert weights.tolist() == [[0.0, 0.0]]
    assert torch.equal(subtract(maps, weights, torch.ones(1, 2), tensor([0, 0])), maps)


def test_subtraction_worked_by_hand() -> None:
    # E = .5 [2, 0] + .5 [0, 2] = [1, 1]; lambda = (3 + 1) / 2 = 2; relu([3, 1] - [2, 2]).
    got = subtract(
        tensor([[3.0, 1.0]]), tensor([[0.5, 0.5]]), tensor([[2.0, 0.0], [0.0, 2.0]]), tensor([0, 1])
    )
    assert got.tolist() == [[1.0, 0.0]]


def test_share_worked_by_hand_and_exactly_one_without_a_competitor() -> None:
    logits = tensor([[2.0, 0.0], [0.0, 1.0]])
    got = share(logits, tensor([[0.0, 0.5], [0.0, 0.0]]), tensor([0, 1]))
    expected = [1 / (1 + 0.5 * math.exp(-2)), 1 / (1 + 0.5 * math.exp(1))]
    assert got[0].tolist() == pytest.approx(expected)
    assert got[1].tolist() == [1.0, 1.0]


def test_share_does_not_overflow() -> None:
    got = share(tensor([[0.0, 500.0], [500.0, 0.0]]), tensor([[0.0, 1.0]]), tensor([0]))
    assert got.tolist() == [[0.0, 1.0]]


def test_an_unrelated_class_does_not_hide_a_competitor() -> None:
    got = share(tensor([[1.0], [5.0], [200.0]]), tensor([[0.0, 1.0, 0.0]]), tensor([0]))
    assert float(got) == pytest.approx(1 / (1 + math.exp(4)))


def test_a_class_competes_only_if_gated_and_as_far_as_its_map_differs() -> None:
    class_maps = tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    by_class, by_token = share_weights(
        relevance=tensor([[0.9, 0.9, 0.3, 0.9]]),
        eligible=tensor([[True, True, True, True]]),
        class_of=tensor([1, 2, 3, 0]),
        target_class=tensor([0]),
        class_maps=class_maps,
    )
    # Class 1 lights other cells: 1. Class 2 the same: 0. Class 3 is below 0.4. Class 0 is itself.
    assert by_token.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert by_class.tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_a_map_within_another_is_no_rival() -> None:
    # "circle" lights both circles, "red" one of them, "square" something else as well.
    class_maps = tensor([[4.0, 4.0, 0.0], [9.0, 0.0, 0.0], [3.0, 0.0, 3.0]])
    by_class, _ = share_weights(
        relevance=torch.ones(2, 3),
        eligible=torch.ones(2, 3, dtype=torch.bool),
        class_of=tensor([0, 1, 2]),
        target_class=tensor([0, 1]),
        class_maps=class_maps,
    )
    # Of circle and square one cell is shared, and each has two: 1 - 1/2.
    assert by_class.tolist() == [[0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]


def naive_filter(values: np.ndarray) -> np.ndarray:
    """TAM's formula for one map, pixel by pixel, its division by zero left out."""
    padded = np.pad(values, 1, mode="reflect")
    result = np.zeros_like(values)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            window = np.sort(padded[i : i + 3, j : j + 3].ravel())
            sigma = window.std() / window.mean() if window.mean() > 0 else 0
            if sigma == 0:
                result[i, j] = window[4]
                continue
            weights = np.exp(-((np.arange(9) - 4) ** 2) / (2 * sigma**2))
            result[i, j] = (weights * window).sum() / weights.sum()
    return result


def test_the_rank_filter_equals_the_loop_over_pixels() -> None:
    maps = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(0))
    expected = np.stack([naive_filter(m.numpy()) for m in maps])
    assert np.allclose(rank_gaussian_filter(maps).numpy(), expected, atol=1e-5)


def test_the_rank_filter_keeps_constant_and_zero_maps_and_takes_single_cells() -> None:
    assert torch.allclose(rank_gaussian_filter(torch.full((1, 3, 3), 5.0)), tensor(5.0))
    assert rank_gaussian_filter(torch.zeros(1, 3, 3)).abs().sum() == 0
    assert torch.allclose(rank_gaussian_filter(torch.full((1, 1, 1), 2.0)), tensor(2.0))


def test_the_rank_filter_takes_nothing_from_cells_that_are_not_seen() -> None:
    maps = torch.full((1, 3, 4), 5.0)
    maps[:, :, 0] = torch.nan
    filtered = rank_gaussian_filter(maps)
    assert filtered[:, :, 0].isnan().all()
    assert torch.allclose(filtered[:, :, 1:], tensor(5.0)), "a margin of zeros would dim the edge"


def test_jensen_shannon_of_equals_is_zero_and_of_disjoint_predictions_ln_2() -> None:
    one, other, infinite = [40.0, -40.0], [-40.0, 40.0], [0.0, -torch.inf]
    got = agreement(tensor([[one], [one], [other]]), tensor([0])).divergence
    assert got.ravel().tolist() == pytest.approx([0, 0, math.log(2)], abs=1e-6)
    got = agreement(tensor([[infinite], [infinite], [other]]), tensor([0])).divergence
    assert got.ravel().tolist() == pytest.approx([0, 0, math.log(2)], abs=1e-6)


@pytest.mark.parametrize("reference", [0, 2])
def test_agreement_equals_its_definition_in_float64_across_blocks(
    monkeypatch: pytest.MonkeyPatch, reference: int
) -> None:
    monkeypatch.setattr(agreement_module, "_CPU_BLOCK_ELEMENTS", 2 * 50)
    logits = 4 * torch.randn(3, 7, 50, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(7)
    got = agreement(logits, targets, reference=reference)
    p = logits.double().softmax(dim=2)
    own = p[:, targets, targets]
    mean = (p + p[reference]) / 2
    both = p * (p / mean).log() + p[reference] * (p[reference] / mean).log()
    divergence = both.sum(dim=2) / 2
    assert torch.allclose(got.probability.double(), own, rtol=1e-5)
    assert torch.equal(got.rank, (p > own[:, :, None]).sum(dim=2))
    assert torch.allclose(got.divergence.double(), divergence, atol=1e-5)
    assert torch.equal(got.top_id, p.argmax(dim=2))
    assert torch.allclose(got.top_probability.double(), p.amax(dim=2), rtol=1e-5)


@pytest.mark.parametrize("vocabulary", [1, 2, 9, 50])
def test_the_first_choice_is_the_greatest_logit_wherever_it_stands(vocabulary: int) -> None:
    places = torch.arange(vocabulary)
    logits = torch.nn.functional.one_hot(places).float()[None]
    got = agreement(logits - 1e6, places)
    assert torch.equal(got.top_id, places[None])
    assert torch.equal(got.top_probability, got.probability)
    tied = agreement(torch.ones(1, 1, vocabulary), tensor([0]))
    assert tied.top_id.item() == 0, "of equals the first, as before the vocabulary was cut up"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_leading_predictions_are_ranked_by_float32_logits_whatever_the_weights(
    dtype: torch.dtype,
) -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(400, 32, generator=generator).to(dtype)
    bias = torch.randn(400, generator=generator).to(dtype)
    hidden = torch.randn(6, 32, generator=generator).to(dtype)
    logits = torch.nn.functional.linear(hidden, weight, bias)
    got = leading(hidden, logits, weight, bias, 20)
    exact = hidden.double() @ weight.double().T + bias.double()
    assert torch.equal(got.ids, exact.topk(20, dim=1).indices)
    expected = logits.double().softmax(dim=1).gather(1, got.ids)
    assert torch.allclose(got.probability.double(), expected, rtol=1e-4)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_who_loses_its_place_to_rounding_alone_gets_it_back(order: list[int]) -> None:
    # Between 8 and 16 bfloat16 goes in sixteenths: all four logits are 8.
    weight = tensor([[8.0, 0.0], [8.0, 1.0], [8.0, 2.0], [8.0, 3.0]], dtype=torch.bfloat16)[order]
    hidden = tensor([[1.0, 1 / 128]], dtype=torch.bfloat16)
    logits = hidden @ weight.T
    assert logits.tolist() == [[8.0] * 4]
    got = leading(hidden, logits, weight, None, 2)
    assert got.ids.tolist() == [[order.index(3), order.index(2)]]
    assert got.probability.tolist() == [[0.25, 0.25]], "those of the logits that the model gave"


def test_weights_more_precise_than_the_states_are_compared_as_they_are() -> None:
    weight = tensor([[8.0], [8.01], [8.02]])
    hidden = tensor([[1.0]], dtype=torch.bfloat16)
    got = leading(hidden, (hidden @ weight.bfloat16().T), weight, None, 3)
    assert got.ids.tolist() == [[2, 1, 0]]


def test_predictions_that_tie_exactly_are_ranked_by_their_ids() -> None:
    weight = torch.ones(60, 4, dtype=torch.bfloat16)
    hidden = torch.ones(1, 4, dtype=torch.bfloat16)
    got = leading(hidden, hidden @ weight.T, weight, None, 60)
    assert got.ids[0].tolist() == list(range(60))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
# In half precision 19 candidates are looked for: blocks are chosen from 76 on.
@pytest.mark.parametrize("vocabulary", [64 * 12, 64 * 40, 64 * 80, 64 * 80 + 63])
def test_leaders_of_a_long_row_are_found_wherever_they_stand(
    vocabulary: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(9, 8, generator=generator).to(dtype)
    weight = torch.randn(vocabulary, 8, generator=generator).to(dtype)
    # Of one row all leaders stand in one block, of another at the end.
    weight[64:70] = 3 * hidden[0]
    weight[-5:] = 3 * hidden[1]
    weight += torch.linspace(0, 1e-3, vocabulary)[:, None].to(dtype)
    logits = hidden @ weight.T
    got = leading(hidden, logits, weight, None, 3)
    exact = hidden.float() @ weight.float().T
    assert torch.allclose(exact.gather(1, got.ids), exact.topk(3).values, rtol=1e-5)
    assert all(len(set(row)) == 3 for row in got.ids.tolist())


def test_leaders_are_compared_in_full_precision_under_autocast_too() -> None:
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(20, 64, generator=generator)
    weight = torch.randn(3000, 64, generator=generator)
    logits = (hidden @ weight.T).bfloat16()
    usual = leading(hidden, logits, weight, None, 20)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(leading(hidden, logits, weight, None, 20).ids, usual.ids)


def test_a_first_choice_that_is_known_gives_the_others_their_probabilities() -> None:
    logits = torch.randn(4, 30, generator=torch.Generator().manual_seed(4))
    whole = leading(logits, logits, torch.eye(30), None, 5)
    first = logits.softmax(dim=1).amax(dim=1)
    known = leading(logits, logits, torch.eye(30), None, 5, first=first)
    assert torch.equal(known.ids, whole.ids)
    assert torch.allclose(known.probability, whole.probability, rtol=1e-5)


def test_chunks_of_positions_are_joined_in_order() -> None:
    first = Ranked(tensor([[3, 1]]), tensor([[0.5, 0.25]]))
    second = Ranked(tensor([[2, 0], [1, 0]]), tensor([[0.75, 0.125], [1.0, 0.0]]))
    joined = Ranked.concatenate([first, second])
    assert joined.ids.tolist() == [[3, 1], [2, 0], [1, 0]]
    assert joined.probability.tolist() == [[0.5, 0.25], [0.75, 0.125], [1.0, 0.0]]


def test_results_cross_to_the_host_with_their_shapes_and_values(device: torch.device) -> None:
    given = [torch.arange(6).view(2, 3), tensor(True), torch.zeros(0, 4, dtype=torch.bool)]
    given.append(tensor([0.5, 2.0]))
    back = to_host({index: value.to(device) for index, value in enumerate(given)})
    assert [back[index].shape for index in range(4)] == [(2, 3), (), (0, 4), (2,)]
    assert back[0].tolist() == [[0, 1, 2], [3, 4, 5]] and back[1] == 1
    assert back[0].dtype == np.int64 and back[3].tolist() == [0.5, 2.0]
