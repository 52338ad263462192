"""A sample's whole way: prepared, passed through the model, read, assembled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

from mmx_core.explanation import Explanation, ObjectMask
from mmx_core.images import Picture
from mmx_core.metrics.faithfulness import faithfulness, head_tokens
from mmx_core.metrics.objects import named_objects
from mmx_core.metrics.registry import word_means
from mmx_core.metrics.summary import explanation_metrics
from mmx_core.models.base import ModelAdapter
from mmx_core.models.running import undisturbed
from mmx_core.models.sharding import digest
from mmx_core.sample import Sample
from mmx_core.settings import MEASURED, Measured, Settings
from mmx_core.stages.assemble import assemble
from mmx_core.stages.begun import Kept
from mmx_core.stages.image_gain import measure_image_gain
from mmx_core.stages.measured import over_alternatives, with_measured
from mmx_core.stages.occlusion import read_occlusion
from mmx_core.stages.passes import Passes, run_passes
from mmx_core.stages.perturbing import Perturber
from mmx_core.stages.prepare import Prepared, check, fingerprint, prepare
from mmx_core.stages.provenance import describe_caller, describe_model, describe_versions
from mmx_core.stages.reading import read_passes
from mmx_core.stages.references import References
from mmx_core.text.words import tokens_of_words

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Pipeline:
    """How one explainer explains; see :class:`mmx_core.Explainer` for what the fields mean."""

    adapter: ModelAdapter
    scales: tuple[float, ...]
    settings: Settings
    max_new_tokens: int
    max_visual_tokens: int
    faithfulness: bool
    measured: Measured = MEASURED

    def __post_init__(self) -> None:
        if self.settings.method == "lens" and self.adapter.placeless:
            raise ValueError(
                f"model: {self.adapter.placeless}, so there is no lens to read; use "
                "Explainer(..., method='occlusion'), which hides parts of the picture and measures "
                "what each word loses"
            )
        if self.measured.used and self.adapter.placeless:
            raise ValueError(
                f"used: {self.adapter.placeless}, so no part of it can be hidden from the text; "
                "use Explainer(..., method='occlusion'), which hides parts of the picture itself"
            )

    def check(self, sample: Sample) -> None:
        """Refuses a sample that cannot be explained, without a forward of the model."""
        with _naming(sample):
            check(
                self.adapter,
                sample,
                scales=self.scales,
                max_visual_tokens=self.max_visual_tokens,
            )

    def prepare(self, sample: Sample) -> Prepared:
        """Checks a sample and lets the model answer where no answer is given."""
        if self.adapter.sharding is not None:
            self.adapter.sharding.meet({"sample to prepare": sample.id})
        with _naming(sample):
            return prepare(
                self.adapter,
                sample,
                scales=self.scales,
                max_visual_tokens=self.max_visual_tokens,
                max_new_tokens=self.max_new_tokens,
            )

    def explain(
        self,
        batch: Sequence[tuple[Sample, Prepared]],
        references: References | None = None,
        *,
        positions: int = 0,
    ) -> Iterator[Explanation]:
        """Explains samples in one forward per scale, one by one from there.

        Args:
            batch: The samples.
            references: What the image's gain is measured against; None leaves it out.
            positions: Bound on those of a forward for it, 0 for a usual one.

        Raises:
            ValueError: The model's numbers are not finite; the message names the sample.
        """
        self._meet("samples", batch)
        read = read_passes if self.settings.method == "lens" else read_occlusion
        inputs = [prepared for _, prepared in batch]
        kept = self._computed(run_passes, self.adapter, inputs, self.scales)
        for (sample, prepared), passes in zip(batch, kept, strict=True):
            others = None if references is None else references.instead_of(prepared.pictures)
            self._meet("sample", [(sample, prepared)], others or ())
            with _naming(sample):
                # Again, and not across the yield: its consumer may go on to train.
                reading = self._computed(read, self.adapter, prepared, passes, self.settings)
                explanation = assemble(
                    self.adapter,
                    sample,
                    prepared,
                    reading,
                    factors=self.scales,
                    provenance=self.provenance(),
                )
                if others is not None:
                    begun = None if references is None else references.begun
                    explanation = self._with_gain(
                        explanation, prepared, passes, others, begun, positions
                    )
                if self.measured.influence or self.measured.used:
                    explanation = self._computed(
                        with_measured,
                        self.adapter,
                        explanation,
                        prepared,
                        self.measured,
                        positions=positions,
                    )
                metrics = self._computed(self._metrics, sample, prepared, explanation)
                objects = self._objects(sample, prepared, explanation)
                yield replace(explanation, metrics=metrics, objects=objects)

    def provenance(self) -> dict[str, Any]:
        """Model, settings, versions, and the line that asked."""
        return {
            "model": describe_model(self.adapter.model),
            "settings": {"scales": list(self.scales), **self.settings.as_dict()},
            "versions": describe_versions(),
            "logged_at": describe_caller(),
        }

    def _with_gain(
        self,
        explanation: Explanation,
        prepared: Prepared,
        passes: Passes,
        references: Sequence[Picture],
        begun: Kept | None,
        positions: int,
    ) -> Explanation:
        gain = self._computed(
            measure_image_gain,
            self.adapter,
            prepared,
            passes,
            references,
            kept=begun,
            positions=positions,
        )
        told = {"references": len(references) or "plain picture"}
        beside = over_alternatives(explanation, gain.whole)
        return replace(
            explanation,
            image_gain=gain.whole[: len(explanation.tokens)],
            alternatives=tuple(
                replace(entry, image_gain=float(value))
                for entry, value in zip(explanation.alternatives, beside, strict=True)
            ),
            image_gains=gain.each,
            provenance={**explanation.provenance, "image_gain": told},
        )

    def _computed(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what computes with the model: where its weights are whole, and without a trace."""
        whole = partial(work, *args, **kwargs)
        return undisturbed(self.adapter.model, self.adapter.together, whole)

    def _meet(
        self,
        name: str,
        batch: Sequence[tuple[Sample, Prepared]],
        references: Sequence[Picture] = (),
    ) -> None:
        """Ranks that share the weights come together before a forward of them all."""
        if self.adapter.sharding is None:
            return
        facts: dict[str, Any] = {
            name: [sample.id for sample, _ in batch],
            "settings": digest(self.scales, self.settings, self.faithfulness, self.measured),
            "reference pictures": [digest(fingerprint(picture)) for picture in references],
        }
        for sample, prepared in batch:
            facts |= {
                f"{part} of sample {sample.id!r}": digest(value)
                for part, value in prepared.facts(sample).items()
            }
        self.adapter.sharding.meet(facts)

    def _metrics(
        self, sample: Sample, prepared: Prepared, explanation: Explanation
    ) -> dict[str, float]:
        if not sample.masks and not sample.absent and explanation.image_gain is None:
            return {}
        words = tokens_of_words(self.adapter.tokenizer, explanation.answer, prepared.answer_ids)
        figures = explanation_metrics(explanation, sample, words)
        if self.faithfulness:
            masks = sample.word_masks(explanation.answer)
            tokens = head_tokens(masks, words)
            if tokens:
                perturber = Perturber(self.adapter, prepared)
                found = faithfulness(perturber, explanation.heatmap[tokens], tokens)
                figures |= word_means(found.scores())
        return figures

    def _objects(
        self, sample: Sample, prepared: Prepared, explanation: Explanation
    ) -> tuple[ObjectMask, ...]:
        if not sample.masks:
            return ()
        words = tokens_of_words(self.adapter.tokenizer, explanation.answer, prepared.answer_ids)
        return named_objects(sample.word_masks(explanation.answer), words)


@contextmanager
def _naming(sample: Sample) -> Iterator[None]:
    """Errors within name the sample."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"sample {sample.id!r}: {error}") from error
    except OSError as error:  # a file that is not there, or no picture
        if error.strerror:
            error.strerror = f"sample {sample.id!r}: {error.strerror}"
        else:
            error.args = (f"sample {sample.id!r}: {error}",)
        raise
