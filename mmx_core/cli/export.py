"""``mmx export``: one sample's explanation as a picture, a page or arrays."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmx_core.cli.errors import CommandError, missing, one_line
from mmx_core.cli.logdir import folders_of, nothing_logged, report_damage
from mmx_core.cli.plugins import load_plugins, with_epilog
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.log import Damage, LoggedRun, read_runs
from mmx_core.events.runs import ROOT
from mmx_core.events.tags import sample_tags, shown_name
from mmx_core.explanation import Explanation
from mmx_core.export.bundle import BundleMissing
from mmx_core.export.registry import ExportFormat, Options, formats
from mmx_core.export.standalone import PageEntry

_LAST, _ALL = "last", "all"
_MOST_CHARACTERS = 120


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "export", help="write a logged explanation as a picture, a page or arrays"
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="what `tensorboard --logdir` gets")
    parser.add_argument("--run", required=True, dest="run_name", help="as `mmx list` names it")
    parser.add_argument("--sample", required=True, metavar="SET/ID", help="such as val/0007")
    parser.add_argument(
        "--step", default=_LAST, help="a step, last (the default), or all (such as html)"
    )
    parser.add_argument(
        "--format", required=True, metavar="NAME", help="what to write: one of those below"
    )
    parser.add_argument(
        "--token",
        type=int,
        nargs="+",
        metavar="INDEX",
        help="of a picture: which answer tokens, from 0 (all that are not special)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="named after the sample if left out"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the file if there is one (refused)"
    )
    parser.set_defaults(run=run)
    with_epilog(parser, lambda: f"formats: {' '.join(_formats())}")


def run(arguments: argparse.Namespace) -> None:
    """Writes the file and prints its path."""
    kind: str = arguments.format
    known = _formats()
    if kind not in known:
        raise missing("--format", "formats", kind, list(known))
    chosen = known[kind]
    if arguments.step == _ALL and not chosen.takes_steps:
        able = [name for name in known if known[name].takes_steps]
        raise CommandError(
            f"--step: expected one step for {kind}, got all; {_some(able)} can hold all"
        )
    if arguments.token is not None and not chosen.takes_tokens:
        able = [name for name in known if known[name].takes_tokens]
        raise CommandError(
            f"--token: expected with --format {_some(able)} alone, got it with {kind}; leave it "
            f"out, {kind} holds every token"
        )
    if arguments.out is not None:
        _check_free(arguments.out, arguments.overwrite)
    logged = _read(arguments.logdir, arguments.run_name)
    tag = _tag(logged, arguments.sample)
    steps = _steps(logged, tag, arguments.step)
    path: Path = arguments.out or _default_path(logged.run, tag, arguments.step, steps, kind)
    _check_free(path, arguments.overwrite)
    entries = _entries(logged, tag, steps)
    content = _content(chosen, entries, Options(_title(logged, tag, steps), arguments.token))
    try:
        _write(path, content, overwrite=arguments.overwrite)
    except FileExistsError:  # since it was looked for
        _check_free(path, overwrite=False)
    except OSError as error:
        raise CommandError(
            f"--out: expected a file that can be written, got {str(path)!r} "
            f"({error.strerror or error}); give another path"
        ) from None
    print(path)


def _write(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Writes all or nothing: a full disk costs no earlier file, and leaves no half one."""
    target = path.resolve() if overwrite else path
    place = target.with_name(f".{target.name[:80]}.{os.getpid()}") if overwrite else target
    with place.open("xb") as file:
        try:
            file.write(content)
            file.flush()
            if overwrite:
                os.replace(place, target)
        except BaseException:
            place.unlink(missing_ok=True)
            raise


def _check_free(path: Path, overwrite: bool) -> None:
    if not overwrite and (path.exists() or path.is_symlink()):
        raise CommandError(
            f"--out: expected a new file, got {str(path)!r}, which is there; give another path, or "
            "--overwrite"
        )


def _read(logdir: str, run_name: str) -> LoggedRun:
    names: list[str] = []
    for name, folders in folders_of(logdir).items():
        # An earlier training's name begins with its directory's; a start may be named, too.
        if run_name != name and not run_name.startswith(f"{name} (") and run_name not in folders:
            names.append(name)
            continue
        for logged in read_runs(folders, report_damage):
            names.append(logged.run)
            if run_name in (logged.run, *logged.folders):
                if not logged.samples:
                    raise nothing_logged(os.path.join(logdir, name))
                return logged
        if run_name == name:
            raise nothing_logged(os.path.join(logdir, name))
    raise missing("--run", f"runs in {logdir}", run_name, names)


def _tag(logged: LoggedRun, sample: str) -> str:
    """The stored tag of a sample that is named as it is stored, or as it is shown."""
    with suppress(ValueError):
        tag = sample_tags(sample).explanation
        if tag in logged.samples:
            return tag
    found = [tag for tag in logged.samples if sample in (tag, shown_name(tag))]
    if not found:
        there = [shown_name(tag) for tag in logged.samples]
        raise missing("--sample", f"samples of run {logged.run}", sample, there)
    return found[0]


def _steps(logged: LoggedRun, tag: str, wanted: str) -> list[int]:
    there = list(logged.samples[tag])
    if wanted == _ALL:
        return there
    if wanted == _LAST:
        return there[-1:]
    try:
        step = int(wanted)
    except ValueError:
        raise CommandError(
            f"--step: expected a number, {_LAST} or {_ALL}, got {wanted!r}; logged are "
            f"{_some(there)}"
        ) from None
    if step not in there:
        near = sorted(sorted(there, key=lambda other: abs(other - step))[:3])
        raise CommandError(
            f"--step: expected one of the {len(there)} logged steps, got {step}; near it "
            f"{'is' if len(near) == 1 else 'are'} {', '.join(map(str, near))}"
        )
    return [step]


def _formats() -> Mapping[str, ExportFormat]:
    load_plugins()
    return formats()


def _some(things: Sequence[object]) -> str:
    shown = [str(thing) for thing in things]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "…", *shown[-2:]])


def _entries(logged: LoggedRun, tag: str, steps: list[int]) -> list[PageEntry]:
    entries = []
    for step in steps:
        try:
            explanation = logged.decode(tag, step, report_damage)
        except (DamagedBlob, UnsupportedVersion) as error:
            if len(steps) == 1:
                raise CommandError(
                    f"--step: expected a readable record, got a damaged one at step {step} "
                    f"({one_line(error)}); choose another step"
                ) from None
            report_damage(Damage(logged.run, tag, step, str(error)))
        else:
            record = logged.samples[tag][step]
            entries.append(PageEntry(explanation, record.blobs, record.wall_time))
    if not entries:
        raise CommandError("--step: expected a readable record, got damaged ones alone; see above")
    return entries


def _title(logged: LoggedRun, tag: str, steps: list[int]) -> str:
    place = str(steps[0]) if len(steps) == 1 else f"{steps[0]}–{steps[-1]}"
    return f"{shown_name(tag)} · {logged.run} · step {place}"


def _content(chosen: ExportFormat, entries: list[PageEntry], options: Options) -> bytes:
    try:
        return chosen.write(entries, options)
    except (BundleMissing, ImportError) as error:
        raise CommandError(str(error)) from None
    except IndexError as error:
        raise CommandError(
            f"--token: {str(error).removeprefix('tokens: ')}; the answer is "
            f"{_numbered(entries[0].explanation)}"
        ) from None
    except ValueError as error:
        raise CommandError(f"--token: {str(error).removeprefix('tokens: ')}") from None


def _numbered(explanation: Explanation) -> str:
    from mmx_core.export.printable import token_name

    names = [f"{i} {token_name(token.text)}" for i, token in enumerate(explanation.tokens)]
    return ", ".join(names if len(names) <= 12 else [*names[:10], "…", names[-1]])


def _default_path(run_name: str, tag: str, asked: str, steps: list[int], kind: str) -> Path:
    """A file's name for this sample alone."""
    step = asked if asked == _ALL else str(steps[0])
    parts = ["" if run_name == ROOT else run_name, *shown_name(tag).split("/", 1)]
    name = re.sub(r"[^\w.-]+", "-", "-".join(filter(None, parts))).strip(".-")[:_MOST_CHARACTERS]
    if not all(re.fullmatch(r"[a-z0-9_.]*", part) for part in parts):
        # Where another sample could be written like that, or only in other letters.
        name += f"-{sha256(repr(parts).encode()).hexdigest()[:8]}"
    return Path(f"{name}-{step}.{kind}")
