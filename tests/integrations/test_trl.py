"""Rows of TRL's data sets as samples to explain; its trainers run where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmx_core as mmx
from mmx_core.integrations.trl import probe_samples
from mmx_core.stages.conversation import conversation_of

needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None,
    reason="trl is not installed here; its trainers run where it is (1.16 was the last tried)",
)
PICTURE = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
# As a table of Arrow's hands them out: each part has the keys of all.
ASKED = [
    {
        "role": "user",
        "content": [
            {"type": "image", "text": None},
            {"type": "text", "text": "what is this ?"},
        ],
    }
]
SAID = [{"role": "assistant", "content": [{"type": "text", "text": "a dog ."}]}]


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"images": [PICTURE], "messages": ASKED + SAID}, "a dog ."),
        ({"images": [PICTURE], "prompt": ASKED, "completion": SAID}, "a dog ."),
        ({"image": PICTURE, "prompt": ASKED, "chosen": SAID, "rejected": ASKED}, "a dog ."),
        ({"image": PICTURE, "prompt": ASKED}, None),
        ({"image": PICTURE, "prompt": "what is this ?", "completion": "a dog ."}, "a dog ."),
        (
            {
                "images": [PICTURE],
                "messages": [{"role": "user", "content": "what is this ?"}, *SAID],
            },
            "a dog .",
        ),
    ],
)
def test_every_form_becomes_a_question_about_its_picture_and_the_answer(
    row: dict[str, Any], answer: str | None
) -> None:
    (sample,) = probe_samples([row], 1)
    conversation = conversation_of(sample)
    asked, *said = conversation.messages
    assert conversation.pictures == [PICTURE]
    assert asked["content"] == [{"type": "image"}, {"type": "text", "text": "what is this ?"}]
    assert [message["content"] for message in said] == ([answer] if answer else [])
    assert sample.id == "0000"


def test_rows_keep_their_own_ids_and_a_row_in_no_form_is_refused_by_number() -> None:
    rows = [{"id": 17, "image": PICTURE, "prompt": ASKED}, {"image": PICTURE, "text": "a dog"}]
    assert [sample.id for sample in probe_samples(rows, 1, prefix="a-")] == ["a-17"]
    with pytest.raises(
        ValueError, match=r"row 1: expected messages, or a prompt .*got image, text"
    ):
        probe_samples(rows)


def trainer_of(kind: str, parts: tuple[Any, Any], out: Path) -> Any:
    """DPO's or GRPO's, on four scenes, with two of them explained at each evaluation."""
    import trl
    from datasets import Dataset

    from examples.scenes import conversations

    rows = conversations(4)
    said = [row.pop("completion") for row in rows]
    if kind == "DPO":
        for row, right, wrong in zip(rows, said, said[1:] + said[:1], strict=True):
            row |= {"chosen": right, "rejected": wrong}
    data = Dataset.from_list(rows)
    only = {"reward_funcs": _rewards} if kind == "GRPO" else {}
    settings: dict[str, Any] = {"num_generations": 2, "max_completion_length": 4} if only else {}
    model, processor = parts
    return getattr(trl, f"{kind}Trainer")(
        model,
        args=getattr(trl, f"{kind}Config")(
            str(out),
            max_steps=2,
            per_device_train_batch_size=2,
            per_device_eval_batch_size=2,
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
            **settings,
        ),
        train_dataset=data,
        eval_dataset=data.select(range(2)),
        processing_class=processor,
        callbacks=[
            mmx.integrations.transformers.ExplainCallback(
                samples=probe_samples(data, 2), scales=(1.0,), max_new_tokens=4
            )
        ],
        **only,
    )


def _rewards(completions: list[Any], **kwargs: Any) -> list[float]:
    return [float(index) for index in range(len(completions))]


@needs_trl
@pytest.mark.parametrize("kind", ["DPO", "GRPO"])
def test_each_evaluation_of_a_trainer_is_explained(
    kind: str, parts: tuple[Any, Any], tmp_path: Path
) -> None:
    trainer_of(kind, parts, tmp_path).train()
    found = list(mmx.read_explanations(tmp_path / "explanations"))
    assert sorted((one.tag, one.step) for one in found) == [
        (f"mmx/val/{index:04d}", step) for index in (0, 1) for step in (1, 2)
    ]
    if kind == "GRPO":  # a prompt alone: the policy of that step answers
        assert all(len(one.tokens) <= 4 for one in found)


@needs_trl
def test_what_grpo_samples_is_explained_as_it_is_sampled(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    trainer = trainer_of("GRPO", parts, tmp_path)
    trainer.remove_callback(mmx.integrations.transformers.ExplainCallback)
    trainer.args.eval_strategy = "no"
    with mmx.explaining(
        trainer.model, trainer.processing_class, logdir=tmp_path / "sampled", scales=(1.0,)
    ):
        trainer.train()
    found = list(mmx.read_explanations(tmp_path / "sampled"))
    assert found and all(1 <= len(one.tokens) <= 4 for one in found)
