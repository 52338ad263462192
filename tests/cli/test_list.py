"""`mmx list`: what is counted, against the files and the blobs themselves."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from mmx_core import add_explanation
from mmx_core.cli import inventory, main
from mmx_core.cli.table import format_bytes, format_table
from mmx_core.events.wire import encode_explanation, encode_image
from mmx_core.events.writer import ExplanationWriter
from tb_mmx_plugin.loader import STEPS_KEPT
from tests.benchmarks.make_log import write_log
from tests.cli.conftest import SCALES, STEPS
from tests.faults.memory import server_bytes
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import fetch, serve


def size_of(explanation, tag: str, step: int) -> int:
    return sum(map(len, encode_explanation(explanation, tag=f"mmx/val/{tag}", step=step)))


def listed(logdir: Path, capsys, *arguments: str) -> dict[str, dict]:
    assert main(["list", str(logdir), "--json", *arguments]) == 0
    return {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}


def test_bytes_are_those_of_the_files_and_of_the_blobs(logdir, capsys) -> None:
    run = listed(logdir, capsys)["grounded"]
    files = (logdir / "grounded").rglob("events.*")
    made = {
        sample: [make_explanation(seed=s + sample, scales=SCALES, id=str(sample)) for s in STEPS]
        for sample in (2, 10)
    }
    sizes = {
        sample: sum(size_of(e, str(sample), step) for e, step in zip(steps, STEPS, strict=True))
        for sample, steps in made.items()
    }
    # By hash: two explanations of one image log it once.
    images = {e.image.hash: e.image for steps in made.values() for e in steps if e.image}
    image_bytes = sum(len(blob) for image in images.values() for blob in encode_image(image))
    assert run["bytes_on_disk"] == sum(file.stat().st_size for file in files)
    assert [sample["bytes"] for sample in run["samples"]] == [sizes[2], sizes[10]]
    assert run["mean_bytes"] == round(sum(sizes.values()) / 6)
    assert run["memory_bytes"] == sum(sizes.values()) + image_bytes


def test_memory_counts_the_steps_that_tensorboard_is_told_to_keep(tmp_path, capsys) -> None:
    assert inventory.STEPS_KEPT == STEPS_KEPT
    made = make_explanation(tokens=1, scales=((1.0, (2, 2)),), image=None)
    with ExplanationWriter(tmp_path) as writer:
        for step in range(20):
            writer.add_explanation("val/0", made, step)
    every, half, one = (
        listed(tmp_path, capsys, *arguments)["."]
        for arguments in ((), ("--keep=10",), ("--keep=1",))
    )
    assert every["samples"][0]["steps"] == half["samples"][0]["steps"] == 20
    # A step of more digits is a byte longer in the header, before it is compressed.
    assert every["memory_bytes"] == pytest.approx(20 * size_of(made, "0", 5), rel=0.01)
    assert half["memory_bytes"] == pytest.approx(every["memory_bytes"] / 2, abs=1)
    assert one["data_server_bytes"] < half["data_server_bytes"] < every["data_server_bytes"]
    assert one["tensorboard_bytes"] == half["tensorboard_bytes"] == every["tensorboard_bytes"]


def test_a_number_of_steps_that_is_none_is_refused(tmp_path, capsys) -> None:
    for wrong in ("-1", "many", "1.5"):
        assert main(["list", str(tmp_path), f"--keep={wrong}"]) == 2
        assert "expected a number of steps" in capsys.readouterr().err


LOADED = {"runs": 1, "samples": 40, "steps": 50}


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write_log(folder, **LOADED)
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for memory")
@pytest.mark.parametrize(
    ("load_fast", "keep"), [(True, 0), (True, 10), (False, 10)],
    ids=["data server", "data server, 10 steps", "without, 10 steps"],
)  # fmt: skip
def test_what_is_foretold_is_what_a_real_tensorboard_grows_by_within_a_factor_of_two(
    large, tmp_path, capsys, load_fast, keep
) -> None:
    (taken,) = listed(large, capsys, f"--keep={keep}").values()
    foretold = taken["data_server_bytes" if load_fast else "tensorboard_bytes"]
    grown = grown_bytes(large, tmp_path, f"mmx={keep}", load_fast=load_fast)
    assert foretold / 2 < grown < 2 * foretold, (foretold, grown)


def grown_bytes(large: Path, folder: Path, kept: str, *, load_fast: bool) -> int:
    """What TensorBoard takes more for the large log than for one step of one sample."""
    write_log(folder, runs=1, samples=1, steps=1)

    def loaded_bytes(logdir: Path) -> int:
        arguments = [f"--samples_per_plugin={kept}"]
        with serve(logdir, load_fast=load_fast, arguments=arguments) as base:
            last = f"run=run-0&tag=mmx/val/0039&step={100 * (LOADED['steps'] - 1)}"
            while logdir == large and fetch(f"{base}/data/plugin/mmx/header?{last}")[0] != 200:
                time.sleep(0.2)
            return server_bytes(logdir)

    return loaded_bytes(large) - loaded_bytes(folder)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for memory")
def test_without_a_data_server_the_flags_that_are_named_bound_the_memory(
    large, tmp_path, capsys
) -> None:
    (taken,) = listed(large, capsys).values()
    assert main(["list", str(large)]) == 0
    (named,) = re.findall(r"(mmx=N,\S+) bounds it", capsys.readouterr().out)
    grown = grown_bytes(large, tmp_path, named.replace("N", "5"), load_fast=False)
    assert grown < taken["tensorboard_bytes"] / 3, (taken["tensorboard_bytes"], grown)


def test_what_a_resumed_run_dropped_is_not_counted(tmp_path, capsys) -> None:
    made = make_explanation(scales=SCALES)
    with ExplanationWriter(tmp_path) as writer:
        for step in (1, 2, 3):
            writer.add_explanation("val/0", made, step)
        writer.add_explanation("val/late", made, 3)
        writer.mark_resume(2)
        writer.add_explanation("val/0", made, 2)
    (sample,) = listed(tmp_path, capsys)["."]["samples"]
    assert (sample["sample"], sample["steps"], sample["last_step"]) == ("val/0", 2, 2)


def test_the_table_is_aligned_and_names_everything(logdir, capsys) -> None:
    assert main(["list", str(logdir)]) == 0
    header, control, grounded, _, *total = capsys.readouterr().out.splitlines()
    assert grounded.split()[:2] == ["grounded", "2"]
    assert "val/2 … val/10" in grounded and "0–250 (3)" in grounded
    assert "7 (1)" in control
    assert len({len(header), len(control), len(grounded)}) == 1
    assert "in TensorBoard's memory: every step of each sample." in total[0]
    assert "with N = 1." in total[1] and "without its data server" in total[2]
    assert main(["list", str(logdir), "--keep=1"]) == 0
    *_, kept, flag, _, _ = capsys.readouterr().out.splitlines()
    assert "1 step of each sample." in kept
    assert flag.endswith("keeps N of them; without it all are kept.")


def test_a_directory_without_explanations_is_told_apart_from_a_wrong_one(tmp_path, capsys) -> None:
    assert main(["list", str(tmp_path)]) == 2
    assert "logged explanations" in capsys.readouterr().err
    assert main(["list", str(tmp_path / "absent")]) == 2
    assert "expected a directory" in capsys.readouterr().err


def test_a_damaged_file_is_reported_and_the_rest_is_listed(tmp_path, capsys) -> None:
    add_explanation(tmp_path / "a", "val/0", make_explanation(scales=SCALES), 0)
    add_explanation(tmp_path / "a", "val/1", make_explanation(scales=SCALES), 1)
    first = min((tmp_path / "a").rglob("events.*"))
    data = bytearray(first.read_bytes())
    data[-100] ^= 1
    first.write_bytes(data)
    assert main(["list", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "skipped run 'a'" in told.err and "checksum" in told.err
    assert "val/0" in told.out


def test_wide_letters_take_two_columns() -> None:
    lines = format_table(("token", "p"), [("図", "1"), ("e\u0301", "2")]).splitlines()
    assert lines[1:] == ["図     1", "e\u0301      2"]


def test_sizes_are_written_for_people() -> None:
    sizes = [format_bytes(count) for count in (12, 1500, 2_340_000, 5e12)]
    assert sizes == ["12 B", "1.5 kB", "2.3 MB", "5000.0 GB"]
