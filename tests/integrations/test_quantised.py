"""Models whose head a library of others has quantised; each test runs where the library is."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import mmx_core as mmx
from examples.scenes import probe


def quantised(library: str, model: Any) -> None:
    if library == "torchao":
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        quantize_(model, Int8WeightOnlyConfig())
    else:
        from optimum.quanto import freeze, qint8, quantize

        quantize(model, weights=qint8)
        freeze(model)


@pytest.mark.parametrize("library", ["torchao", "optimum"])
def test_a_model_of_eight_bits_is_explained_as_the_whole_one_nearly(
    library: str, parts: tuple[Any, Any]
) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed here; its test runs where it is")
    model, processor = parts
    (sample,) = probe(1)

    def explained() -> mmx.Explanation:
        explainer = mmx.Explainer(model, processor, scales=(1.0,))
        return explainer.explain(sample.images, sample.prompt, answer=sample.answer)

    whole = explained()
    quantised(library, model)
    eight = explained()
    assert np.corrcoef(whole.heatmap.ravel(), eight.heatmap.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(eight.base.probability, whole.base.probability, atol=0.1)
