"""lmms-eval on a small local task, two documents explained: ``python -m examples.lmms_eval_task``.

With a released model and task there is nothing to write but the ``with``, or nothing at all:
``python -m mmx_core.integrations.lmms_eval --logdir runs/a --documents 0 7 -- --model ...``.
"""

from __future__ import annotations

import argparse
from typing import Any

from datasets import Dataset, DatasetDict, Image
from lmms_eval import evaluator
from lmms_eval.api.model import lmms
from lmms_eval.api.task import ConfigurableTask
from lmms_eval.tasks import TaskManager

import mmx_core as mmx
from examples.scenes import conversations, load


class Scenes(ConfigurableTask):
    """Captions of drawn scenes, right to the last word or not."""

    CONFIG = None

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            config={
                "task": "scenes",
                "test_split": "test",
                "output_type": "generate_until",
                "doc_to_visual": lambda doc: [doc["image"]],
                "doc_to_text": lambda doc: doc["question"],
                "doc_to_target": lambda doc: doc["answer"],
                "generation_kwargs": {"max_new_tokens": 24, "until": ["\n"]},
                "metric_list": [
                    {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
                ],
            }
        )

    def download(self, dataset_kwargs: Any = None) -> None:
        """Made here, in the place of a data set from the hub."""
        rows = [
            {
                "image": row["images"][0],
                "question": row["prompt"][0]["content"][1]["text"],
                "answer": row["completion"][0]["content"][0]["text"],
            }
            for row in conversations(self.count)
        ]
        self.dataset = DatasetDict(test=Dataset.from_list(rows).cast_column("image", Image()))
        self.dataset_no_image = DatasetDict(test=self.dataset["test"].remove_columns("image"))


class SceneModel(lmms):
    """The demo's model, as lmms-eval's own models of transformers are written."""

    def __init__(self, batch_size: int = 1) -> None:
        super().__init__()
        self.model, self.processor = load()
        self.processor.tokenizer.padding_side = "left"
        self.batch_size = batch_size

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Batch by batch: the documents are read, then answered."""
        answers: list[str] = []
        for first in range(0, len(requests), self.batch_size):
            batch = [request.args for request in requests[first : first + self.batch_size]]
            images = [
                picture
                for _, _, visual, doc_id, task, split in batch
                for picture in visual(self.task_dict[task][split][doc_id])
            ]
            asked = [
                [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": words}]}]
                for words, *_ in batch
            ]
            texts = [
                self.processor.apply_chat_template(one, add_generation_prompt=True) for one in asked
            ]
            inputs = self.processor(images=images, text=texts, padding=True, return_tensors="pt")
            found = self.model.generate(
                **inputs, max_new_tokens=batch[0][1]["max_new_tokens"], do_sample=False
            )
            said = found[:, inputs["input_ids"].shape[1] :]
            answers += self.processor.tokenizer.batch_decode(said, skip_special_tokens=True)
        return answers

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Not needed by this task."""
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        """Not needed by this task."""
        raise NotImplementedError


def main() -> None:
    """Evaluates six documents, of which two are explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/lmms_eval")
    parser.add_argument("--batch-size", type=int, default=2)
    arguments = parser.parse_args()
    model, tasks = SceneModel(arguments.batch_size), [Scenes(6)]
    with mmx.integrations.lmms_eval.explaining(logdir=arguments.out, documents=[1, 4]):
        results = evaluator.simple_evaluate(
            model=model, tasks=tasks, task_manager=TaskManager(include_defaults=False)
        )
    print(f"exact match: {results['results']['scenes']['exact_match,none']:.2f}")
    print(f"mmx show {arguments.out}")


if __name__ == "__main__":
    main()
