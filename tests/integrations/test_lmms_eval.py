"""Documents of lmms-eval are explained while it evaluates them; the last tests run where it is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mmx_core as mmx
from mmx_core.events import LoggingWarning
from mmx_core.integrations.lmms_eval import _checked, _figures, _is_scored, _Reading
from mmx_core.integrations.probing import ExplainWarning

needs_lmms_eval = pytest.mark.skipif(
    importlib.util.find_spec("lmms_eval") is None,
    reason="lmms_eval is not installed here; its tests run where it is",
)


def test_answers_are_named_after_the_documents_that_their_batch_has_read() -> None:
    data = {"test": ["a", "b", "c", "d"]}
    lm = SimpleNamespace(task_dict={"one": data, "two": data})
    reading = _Reading(_checked({"one": [0, 2], "two": [2]}))
    with reading.watching(lm):
        docs = lm.task_dict["one"]["test"]
        assert len(docs) == 4 and docs.index("c") == 2, "else the data set is as it was"
        assert [docs[0], docs[1]] == ["a", "b"]
        assert reading.tags(2, 2) == ["one/0", None]
        for _ in ("pictures", "words"):
            _ = docs[2], lm.task_dict["two"]["test"][2]
        assert reading.tags(2, 4) == ["one/2", "one/2.2", "two/2", "two/2.2"]
        _ = docs[0], docs[0]  # a document that is asked twice
        assert reading.tags(2, 2) == ["one/0.2", "one/0.3"]
    assert lm.task_dict["one"] is data


def test_a_batch_whose_documents_are_not_known_is_told_and_not_guessed() -> None:
    lm = SimpleNamespace(task_dict={"one": {"test": ["a", "b", "c"]}})
    reading = _Reading(_checked([0, 1, 2]))
    with reading.watching(lm):
        for index in range(3):  # all are read before the first is answered
            _ = lm.task_dict["one"]["test"][index]
        with pytest.warns(LoggingWarning, match="has read 3 documents for it"):
            assert reading.tags(1, 1) == [None]


def test_an_answer_counts_as_scored_where_its_text_is_whole_or_cut_in_what_was_scored() -> None:
    assert _is_scored("a dog . a cat", [["a dog . "]])
    assert _is_scored("a dog", ["a cat", "a dog"])
    assert not _is_scored("a dog", [["a cat"]])
    assert not _is_scored("a dog", [["  "]]), "nothing is a part of everything"


def test_scores_are_the_numbers_of_a_record_and_the_score_of_a_mapping() -> None:
    record = {"doc_id": 3, "resps": [], "right": True, "loss": np.float32(0.5), "parsed": "a"}
    record["mme_perception"] = {"question_id": "x", "score": 1.0}
    assert _figures(record) == {"right": 1.0, "loss": 0.5, "mme_perception": 1.0}


@pytest.mark.parametrize("documents", [[], ["0"], {"one": []}])
def test_documents_that_are_no_ids_are_refused(documents: Any) -> None:
    with pytest.raises(TypeError, match="documents: expected ids"):
        _checked(documents)


@needs_lmms_eval
@pytest.mark.parametrize("batch_size", [1, 2])
def test_chosen_documents_are_explained_with_their_scores_and_the_evaluation_is_as_without(
    batch_size: int, tmp_path: Path
) -> None:
    from lmms_eval import evaluator
    from lmms_eval.tasks import TaskManager

    from examples.lmms_eval_task import SceneModel, Scenes

    def evaluated() -> Any:
        model = SceneModel(batch_size)
        return evaluator.simple_evaluate(
            model=model,
            tasks=[Scenes(4)],
            limit=3,
            task_manager=TaskManager(include_defaults=False),
        )

    plain = evaluated()
    with (
        pytest.warns(ExplainWarning, match="scenes/0: chosen, and evaluated without"),
        mmx.integrations.lmms_eval.explaining(
            logdir=tmp_path / "none", documents=[0], scales=(1.0,), seconds=0.0
        ),
    ):
        evaluated()
    with mmx.integrations.lmms_eval.explaining(
        logdir=tmp_path / "log", documents={"scenes": [0, 2], "other": [1]}, scales=(1.0,), step=5
    ):
        watched = evaluated()
    assert watched["results"] == plain["results"]
    records = watched["samples"]["scenes"]
    assert [r["resps"] for r in records] == [r["resps"] for r in plain["samples"]["scenes"]]
    found = {e.tag: e for e in mmx.read_explanations(tmp_path / "log")}
    assert sorted(found) == ["mmx/scenes/0", "mmx/scenes/2"]
    for doc_id in (0, 2):
        explanation = found[f"mmx/scenes/{doc_id}"]
        assert explanation.step == 5
        assert explanation.answer == records[doc_id]["resps"][0][0].strip()
        assert explanation.metrics["exact_match"] == records[doc_id]["exact_match"]
    # Each on its own picture: the same as when it alone is explained.
    model, document = SceneModel(), Scenes(4).dataset["test"][2]
    alone = mmx.Explainer(model.model, model.processor, scales=(1.0,)).explain(
        document["image"], document["question"], answer=found["mmx/scenes/2"].answer
    )
    np.testing.assert_allclose(found["mmx/scenes/2"].heatmap, alone.heatmap, atol=0.05)


@needs_lmms_eval
def test_a_model_that_generates_elsewhere_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    from lmms_eval import evaluator
    from lmms_eval.tasks import TaskManager

    from examples.lmms_eval_task import SceneModel, Scenes

    lm = SceneModel()
    lm.model = object()
    with (
        mmx.integrations.lmms_eval.explaining(logdir=tmp_path, documents=[0]),
        pytest.raises(TypeError, match="got SceneModel, whose answers are generated elsewhere"),
    ):
        evaluator.simple_evaluate(
            model=lm, tasks=[Scenes(1)], task_manager=TaskManager(include_defaults=False)
        )
    assert "mmx_core" not in evaluator.evaluate.__module__
    assert not list(tmp_path.iterdir())


@needs_lmms_eval
def test_the_commands_arguments_after_two_dashes_are_lmms_evals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lmms_eval.__main__

    from mmx_core.integrations.lmms_eval import main

    seen: list[list[str]] = []
    monkeypatch.setattr(lmms_eval.__main__, "cli_evaluate", lambda: seen.append(sys.argv))
    own = ["mmx", "--logdir", str(tmp_path), "--documents", "0", "7"]
    monkeypatch.setattr(sys, "argv", [*own, "--", "--model", "x", "--tasks", "mme"])
    main()
    assert seen == [["lmms-eval", "--model", "x", "--tasks", "mme"]]
