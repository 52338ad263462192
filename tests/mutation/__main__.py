"""Puts faults into modules one by one, and tells which of them no test notices.

    python -m tests.mutation --module mmx_core/attribution/arc.py [--module ...]
        [--sample 40] [--seed 0] [--workers 2] [--out build/mutation.json]

A module's tests (rooms.py) run on a copy of the sources with one fault in it (mutants.py), in a
fork of a process that has imported torch and the like (forks.py); two at once. A fault is killed
when a test fails, or when the tests take three times as long as without it (a timeout). What is
known already by --out is not run again, unless the module has changed. A fault that survives is
either equivalent or a test that is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.mutation import forks
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.rooms import tests_of

_SLACK_SECONDS = 10
_VERDICTS = {"passed": "survived", "failed": "killed", "timeout": "timeout"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--module", action="append", required=True)
    parser.add_argument("--sample", type=int, help="how many faults of each module; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/mutation.json"))
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    known = json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else {}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trees = [forks.make_tree(Path(folder, str(index))) for index in _made(folder, asked)]
        for module in asked.module:
            source = (forks.ROOT / module).read_text(encoding="utf-8")
            mutants = mutants_of(source)
            if asked.sample is not None and asked.sample < len(mutants):
                chosen = random.Random(asked.seed).sample(range(len(mutants)), asked.sample)
                mutants = [mutants[index] for index in sorted(chosen)]
            judge(module, source, mutants, trees, known, asked.out)
            report(module, source, mutants, known)


def _made(folder: str, asked: argparse.Namespace) -> range:
    for index in range(asked.workers):
        Path(folder, str(index)).mkdir()
    return range(asked.workers)


def key_of(module: str, source: str, mutant: Mutant) -> str:
    said = "\n".join([source, mutant.kind, mutant.source])
    return f"{module}:{mutant.line}:{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def judge(
    module: str,
    source: str,
    mutants: list[Mutant],
    trees: list[Path],
    known: dict[str, Any],
    out: Path,
) -> None:
    """Runs what is not known yet, and writes every verdict down at once."""
    waiting = [one for one in mutants if key_of(module, source, one) not in known]
    if not waiting:
        return
    tests = tests_of(module)
    limit = _SLACK_SECONDS + 3 * unmutated_seconds(trees[0], tests)
    print(f"{module}: {len(waiting)} faults, at most {limit:.0f} s each", file=sys.stderr)
    free, running = list(trees), []
    while waiting or running:
        while waiting and free:
            tree, mutant = free.pop(), waiting.pop(0)
            (tree / module).write_text(mutant.source, encoding="utf-8")
            running.append((forks.start(tree, tests), tree, mutant))
        time.sleep(0.02)
        for entry in list(running):
            run, tree, mutant = entry
            if result := run.result(limit):
                running.remove(entry)
                (tree / module).write_text(source, encoding="utf-8")
                free.append(tree)
                known[key_of(module, source, mutant)] = {
                    "module": module,
                    "line": mutant.line,
                    "kind": mutant.kind,
                    "diff": mutant.diff,
                    "verdict": _VERDICTS[result[0]],
                    "seconds": round(result[1], 1),
                }
                replacement = out.with_suffix(".new")
                replacement.write_text(json.dumps(known, indent=1), encoding="utf-8")
                replacement.replace(out)


def unmutated_seconds(tree: Path, tests: tuple[str, ...]) -> float:
    """How long the tests take as they are, once what they import is warm."""
    imported = tree / "imported.json"
    for warm in (False, True):
        run = forks.start(tree, tests, None if warm else imported)
        while not (result := run.result(limit=3600)):
            time.sleep(0.02)
        if result[0] != "passed":
            raise SystemExit(
                f"{' '.join(tests)}: expected to pass without a fault, {result[0]}:\n"
                + (tree / "output.txt").read_text("utf-8")[-3000:]
            )
        if not warm:
            forks.warm_up(json.loads(imported.read_text("utf-8")))
    return result[1]


def report(module: str, source: str, mutants: list[Mutant], known: dict[str, Any]) -> None:
    found = [known[key_of(module, source, one)] for one in mutants]
    counts = dict.fromkeys(_VERDICTS.values(), 0)
    for one in found:
        counts[one["verdict"]] += 1
    print(f"{module}: {len(found)} mutants, " + ", ".join(f"{n} {v}" for v, n in counts.items()))
    for one in found:
        if one["verdict"] == "survived":
            shown = one["diff"].replace("\n", "\n    ")
            print(f"  {module}:{one['line']} ({one['kind']})\n    {shown}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
