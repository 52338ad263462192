"""A pretrained language model that sees: SmolLM2-135M under SmolVLM's class, a hundred nouns.

    python -m tests.support.smollm2                              # the language model, 93 MB
    python -m tests.benchmarks.pretrained fetch                  # cut-outs and photographs, 34 MB
    python -m tests.benchmarks.pretrained train                  # resumes where it was
    python -m tests.benchmarks.pretrained evaluate               # nouns right on unseen scenes
    python -m tests.benchmarks.pretrained export --out DIR       # a checkpoint for `mmx evaluate`
    mmx evaluate --model DIR --data tests.benchmarks.pretrained:scenes --out results/pretrained

The language model stays as it is but for a low-rank update. A small tower first learns to put out
the language model's own embeddings of what is in its cells, without the language model in the
loop; then tower output and language model are brought together on descriptions and questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.benchmarks.pretrained.samples import evaluation_samples as evaluation_samples

__all__ = ["evaluation_samples"]


def __getattr__(name: str) -> Any:
    if name == "evaluation_samples":
        from tests.benchmarks.pretrained.samples import evaluation_samples

        return evaluation_samples
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
