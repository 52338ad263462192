"""What the examples train: the demo's small model and its scenes, in the place of your own.

With a released model, ``AutoProcessor`` and ``AutoModelForImageTextToText`` give you these parts,
and your data set gives you images, questions and answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import ProcessorMixin

from demo.probe import probe_samples
from mmx_core import Sample
from mmx_core.models.loading import load_parts

CHECKPOINT = Path(__file__).parent.parent / "demo" / "checkpoints" / "grounded" / "step-002800"


class SceneProcessor(ProcessorMixin):
    """Image processor and tokenizer as one object, as ``AutoProcessor`` would give them."""

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: Any = None) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.image_token = "<|image_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)

    def __call__(self, images: Any = None, text: Any = None, **settings: Any) -> Any:
        """Text with one placeholder per visual token, and the pixels."""
        texts = [text] if isinstance(text, str) else list(text)
        pixels: dict[str, Any] = {}
        if images is not None:
            pixels = dict(self.image_processor(images=images, return_tensors="pt"))
            cell = self.image_processor.merge_size**2
            counts = [int(grid.prod()) // cell for grid in pixels["image_grid_thw"]]
            texts = [_expanded(one, self.image_token, counts) for one in texts]
        encoded = self.tokenizer(texts, **{k: v for k, v in settings.items() if "kwargs" not in k})
        encoded["mm_token_type_ids"] = [
            [int(token == self.image_token_id) for token in ids] for ids in encoded["input_ids"]
        ]
        encoded.update(pixels)
        return encoded.convert_to_tensors(settings.get("return_tensors"))


def _expanded(text: str, token: str, counts: list[int]) -> str:
    parts = text.split(token)
    shown = [counts.pop(0) for _ in parts[1:]]
    return parts[0] + "".join(
        " ".join([token] * count) + part for count, part in zip(shown, parts[1:], strict=True)
    )


def load() -> tuple[Any, SceneProcessor]:
    """A model and its processor."""
    model, image_processor, tokenizer, _ = load_parts(CHECKPOINT, device="cpu")
    return model, SceneProcessor(image_processor, tokenizer, tokenizer.chat_template)


def probe(count: int = 2) -> list[Sample]:
    """Fixed samples with their answers, and a mask for each noun."""
    return probe_samples(count)


def conversations(count: int) -> list[dict[str, Any]]:
    """Scenes in chat form: a question about an image, and the answer."""
    return [
        {
            "images": [sample.images],
            "prompt": [{"role": "user", "content": [
                {"type": "image"}, {"type": "text", "text": sample.prompt}]}],
            "completion": [{"role": "assistant", "content": [
                {"type": "text", "text": sample.answer}]}],
        }
        for sample in probe_samples(count, seed=1)
    ]  # fmt: skip


def batches(processor: SceneProcessor, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch to learn from; also a ``data_collator``."""
    texts = [
        processor.apply_chat_template([*row["prompt"], *row["completion"]], tokenize=False)
        for row in rows
    ]
    images = [image for row in rows for image in row["images"]]
    batch = processor(images=images, text=texts, padding=True, return_tensors="pt")
    learnt = batch["attention_mask"].bool() & ~batch["mm_token_type_ids"].bool()
    batch["labels"] = batch["input_ids"].where(learnt, -100)
    return dict(batch)
