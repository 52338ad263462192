"""Trains the demo's models from scratch: ``python -m demo.train --run grounded|control|blind``.

The grounded run first teaches the decoder on text scenes (visual positions carry the embeddings of
the words of their cell), then the vision tower to put out those same embeddings; then it has a
second loss at the visual positions of the decoder, each of which predicts the words of the object
under it. That is switched off for the last stage. The control has none of it: it learns to see from
captions alone. The blind run has each caption behind another scene's picture: it learns to speak,
and that pictures tell nothing.

An interrupted run goes on where it was (``--resume``, the default); every scene is a function of
seed and index, so the result is the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from demo.accuracy import caption_accuracy
from demo.data import SceneDataset, Stage, collate, stage_of
from demo.model import make_image_processor, make_model, make_tokenizer, save_checkpoint
from demo.optimizer import MuonAdamW
from demo.probe import probe_samples
from demo.scenes import validation_scenes

ROOT = Path(__file__).parent
CHECKPOINTS = ROOT / "checkpoints"
WORK = ROOT / "training"
BATCH = 32
SMALL, MIDDLE = (80, 96, 112), (96, 112, 128, 144)
LARGE = (112, 112, 112, 128, 128, 128, 144, 144, 160, 176, 192, 208, 224)
GROUNDED = (
    Stage("text", 2000, SMALL, (2, 3, 4), rates=(1.0, 0.1), text_scenes=True),
    Stage("large text", 300, LARGE, (2, 3, 4), rates=(0.2, 0.05), text_scenes=True),
    Stage("see", 500, SMALL, (2, 3, 4), rates=(2.5, 0.2), vision_only=True),
    Stage("small", 150, SMALL, (2, 3), rates=(0.5, 0.5), dense_weight=0.5),
    Stage("middle", 500, MIDDLE, (2, 3, 4), rates=(0.5, 0.2), dense_weight=0.5),
    Stage("captions", 350, LARGE, (2, 3, 4), rates=(0.2, 0.01)),
)
# Captions alone. Even 350 steps of text scenes tie the tower's output to the words' embeddings, and
# the lens of the control points at objects as well (pixel AUC .88).
CONTROL = (
    Stage("small", 400, SMALL, (2, 3), rates=(2.5, 2.0)),
    Stage("middle", 250, MIDDLE, (2, 3, 4), rates=(2.0, 0.05)),
)
# To speak takes fewer steps than to see.
BLIND = (
    Stage("small", 150, SMALL, (2, 3), rates=(2.5, 2.0), exchanged=True),
    Stage("middle", 100, MIDDLE, (2, 3, 4), rates=(2.0, 0.05), exchanged=True),
)
RUNS = {"grounded": GROUNDED, "control": CONTROL, "blind": BLIND}
KEPT = {"grounded": (0, 2300, 2400, 2800, 2950, 3450), "control": (), "blind": ()}
"""Steps whose checkpoints are kept, besides the last."""


class SceneTrainer(Trainer):
    """Caption loss plus, where a stage asks for it, the dense loss; examples in their own order."""

    control: TrainerControl

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        # The Trainer's own loading does not know that this family's stored names differ from its
        # modules' names: it warns, and goes on with fresh weights.
        target = model or self.model
        stored = type(self.accelerator.unwrap_model(target)).from_pretrained(
            resume_from_checkpoint, dtype=torch.float32
        )
        self.accelerator.unwrap_model(target).load_state_dict(stored.state_dict())

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Mean cross-entropy of the answers; dense loss times its weight on top."""
        cell_words, start = inputs.pop("cell_words"), inputs.pop("visual_start")
        labels, dense_weight = inputs.pop("labels"), inputs.pop("dense_weight")
        if bool(inputs.pop("vision_only")[0]):
            return self._vision_loss(model, inputs, cell_words)
        if "pixel_values" not in inputs:
            table = self.accelerator.unwrap_model(model).get_input_embeddings().weight
            features = table[cell_words].mean(dim=2)
            inputs["mm_encoder_outputs"] = {
                "image": BaseModelOutputWithPooling(pooler_output=list(features))
            }
        logits = model(**inputs, use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
        )
        if float(dense_weight[0]) > 0:
            first = int(start[0])
            visual = logits[:, first : first + cell_words.shape[1]].log_softmax(dim=2)
            loss = loss - dense_weight[0] * visual.gather(2, cell_words).mean()
        return (loss, logits) if return_outputs else loss

    def _vision_loss(self, model: Any, inputs: dict[str, Any], cell_words: Tensor) -> Tensor:
        """The tower puts out what text scenes put in: the mean embedding of the cell's words.

        Cross-entropy of the words, read by the embedding, plus the relative squared distance.
        """
        plain = self.accelerator.unwrap_model(model)
        table = plain.get_input_embeddings().weight.detach()
        with self.compute_loss_context_manager():
            output = plain.model.get_image_features(
                inputs["pixel_values"], inputs["image_grid_thw"]
            ).pooler_output
        features, named = torch.cat(list(output)).float(), cell_words.flatten(0, 1)
        unit = torch.nn.functional.rms_norm(features, features.shape[1:])
        read = -(unit @ table.T).log_softmax(dim=1).gather(1, named).mean()
        wanted = table[named].mean(dim=1)
        return read + (features - wanted).square().mean() / wanted.square().mean()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Captions wholly right on unseen scenes; then the callbacks, which explain and log."""
        model = self.accelerator.unwrap_model(self.model)
        accuracy = caption_accuracy(model, self.processing_class, validation_scenes(100))
        metrics = {"eval_captions_right": accuracy}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


class KeepCheckpoints(TrainerCallback):
    """Evaluates and stores a checkpoint at chosen steps, the first and the last included."""

    def __init__(self, run: str, directory: Path, steps: tuple[int, ...], seed: int) -> None:
        self.run, self.directory, self.steps, self.seed = run, directory, steps, seed

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keeps the initialised model."""
        if state.global_step == 0:
            self._keep(state, kwargs)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Asks for an evaluation where a checkpoint is due."""
        if state.global_step in (*self.steps, state.max_steps):
            control.should_evaluate = True
            self._keep(state, kwargs)

    def _keep(self, state: TrainerState, kwargs: dict[str, Any]) -> None:
        tokenizer = kwargs["processing_class"]
        save_checkpoint(
            kwargs["model"],
            tokenizer,
            self.directory / f"step-{state.global_step:06d}",
            {
                "run": self.run,
                "step": state.global_step,
                "seed": self.seed,
                "command": f"python -m demo.train --run {self.run} --seed {self.seed}",
            },
        )


def rate_at(step: int, *, stages: tuple[Stage, ...], warmup: int = 40) -> float:
    """Factor on both learning rates: each stage's own, after a warm-up at the very start."""
    stage, within = stage_of(stages, step)
    first, last = stage.rates
    done = min(1.0, within / stage.steps)
    return (first + (last - first) * done) * min(1.0, (step + 1) / warmup)


def state_to_resume(work: Path, recipe: str, *, resume: bool) -> str | None:
    """The newest state in ``work``, or None for a fresh start, which clears ``work`` away.

    Raises:
        ValueError: The states there are those of another recipe.
    """
    states = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    record = work / "recipe.json"
    if resume and states:
        if not record.is_file() or record.read_text() != recipe:
            raise ValueError(
                f"{work}: expected states of this seed and curriculum, found others; start afresh "
                "with --no-resume"
            )
        return str(states[-1])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    record.write_text(recipe)
    return None


def train(
    run: str,
    *,
    stages: tuple[Stage, ...],
    seed: int,
    work: Path,
    checkpoints: Path,
    kept: tuple[int, ...],
    batch: int = BATCH,
    explain: bool = True,
    resume: bool = True,
    save_steps: int = 100,
    use_cpu: bool = False,
) -> Any:
    """Trains one run; returns the model.

    Args:
        run: Its name.
        stages: The curriculum.
        seed: Of weights and scenes.
        work: Where the Trainer keeps what it resumes from, and the explanations' event files.
        checkpoints: Where kept checkpoints go.
        kept: Steps to keep.
        batch: Examples per step.
        explain: Explain the probe samples at each kept step and log them.
        resume: Go on from the newest state in ``work``, if there is one.
        save_steps: Steps between states to resume from.
        use_cpu: Even if there is a GPU.
    """
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, seed=seed)
    model.set_attn_implementation("eager")  # its backward is the faster one at these sizes
    dataset = SceneDataset(stages, batch=batch, tokenizer=tokenizer, seed=seed)
    optimizer = MuonAdamW(model)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(rate_at, stages=stages))
    recipe = json.dumps({"seed": seed, "batch": batch, "stages": [asdict(s) for s in stages]})
    start_from = state_to_resume(work, recipe, resume=resume)
    trainer = SceneTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(work),
            max_steps=dataset.steps,
            per_device_train_batch_size=batch,
            bf16=True,
            use_cpu=use_cpu or not torch.cuda.is_available(),
            seed=seed,
            save_steps=save_steps,
            eval_on_start=start_from is None,
            save_total_limit=2,
            logging_steps=25,
            report_to=[],
            remove_unused_columns=False,
            dataloader_num_workers=0,
        ),
        train_dataset=dataset,
        data_collator=partial(
            collate, pad_id=tokenizer.pad_token_id, image_id=model.config.image_token_id
        ),
        processing_class=tokenizer,
        optimizers=(optimizer, rates),
        callbacks=[KeepCheckpoints(run, checkpoints, kept, seed)],
    )
    if explain:
        from mmx_core.integrations.transformers import ExplainCallback

        trainer.add_callback(
            ExplainCallback(
                probe_samples(4),
                logdir=work / "explanations",
                image_processor=make_image_processor(),
            )
        )
    trainer.train(resume_from_checkpoint=start_from)
    return model


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", choices=sorted(RUNS), default="grounded")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice by default")
    parser.add_argument("--explain", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--cpu", action="store_true", help="even if there is a GPU")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    train(
        arguments.run,
        stages=RUNS[arguments.run],
        seed=arguments.seed,
        work=WORK / arguments.run,
        checkpoints=arguments.out / arguments.run,
        kept=KEPT[arguments.run],
        explain=arguments.explain,
        resume=arguments.resume,
        use_cpu=arguments.cpu,
    )
    sys.stdout.write(f"checkpoints are in {arguments.out / arguments.run}\n")


if __name__ == "__main__":
    main()
