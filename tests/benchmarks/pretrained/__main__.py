"""The command line; see the package."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from tests.benchmarks.pretrained import assets, lora, model
from tests.benchmarks.pretrained.accuracy import measure
from tests.benchmarks.pretrained.joint import train_joint
from tests.benchmarks.pretrained.targets import Embedded
from tests.benchmarks.pretrained.tower import STATE as TOWER_STATE
from tests.benchmarks.pretrained.tower import train_tower


def train(
    *,
    tower_steps: int,
    joint_steps: int,
    seed: int,
    work: Path,
    out: Path,
    tower_of: Path | None = None,
) -> None:
    """Both stages, each resumed from ``work``; writes what was learnt to ``out``.

    Args:
        tower_steps: Of the first stage.
        joint_steps: Of the second.
        seed: Of both.
        work: Where states are kept.
        out: The file of what was learnt.
        tower_of: Another run's ``work``, whose tower is taken as it is: seeds of the second stage.
    """
    if tower_of is not None and tower_of.resolve() == work.resolve():
        raise SystemExit(f"--work: expected another directory than --tower-of, got {work} for both")
    work.mkdir(parents=True, exist_ok=True)
    if tower_of is not None:
        shutil.copy(tower_of / TOWER_STATE, work)
    torch.manual_seed(seed)
    made = model.build()
    embedded = Embedded.of(made.model, made.tokenizer)
    if tower_of is not None:
        tower_steps = 0  # nothing to learn any more
    train_tower(made.model, embedded, steps=tower_steps, seed=seed, work=work)
    made.model.requires_grad_(False)
    made.model.model.connector.requires_grad_(True)
    decoder = made.model.model.text_model
    decoder.to(torch.bfloat16)  # as it was stored; cast at each step otherwise
    decoder.set_attn_implementation("eager")  # its backward takes half as long at these lengths
    lora.add(decoder)
    train_joint(made, embedded, steps=joint_steps, seed=seed, work=work)
    model.save(made.model, out, step=joint_steps)


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch")
    training = commands.add_parser("train")
    training.add_argument("--tower-steps", type=int, default=600)
    training.add_argument("--joint-steps", type=int, default=100)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument(
        "--tower-of", type=Path, metavar="WORK", help="take another run's tower as it is"
    )
    training.add_argument("--work", type=Path, default=Path("training/pretrained"))
    training.add_argument("--out", type=Path, default=model.RELEASED)
    judging = commands.add_parser("evaluate")
    judging.add_argument("--scenes", type=int, default=100)
    judging.add_argument("--weights", type=Path, default=model.RELEASED)
    exporting = commands.add_parser("export")
    exporting.add_argument("--weights", type=Path, default=model.RELEASED)
    exporting.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "fetch":
        assets.fetch(assets.folder())
        print(assets.folder())
    elif arguments.command == "train":
        train(
            tower_steps=arguments.tower_steps,
            joint_steps=arguments.joint_steps,
            seed=arguments.seed,
            work=arguments.work,
            out=arguments.out,
            tower_of=arguments.tower_of,
        )
    elif arguments.command == "evaluate":
        found = measure(model.load(arguments.weights), count=arguments.scenes)
        for name, figure in asdict(found).items():
            print(f"{name:10} {figure:.3f}")
    else:
        made = model.load(arguments.weights)
        for part in (made.model, made.image_processor, made.tokenizer):
            part.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
