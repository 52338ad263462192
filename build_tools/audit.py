"""Looks up in the databases of known vulnerabilities what is pinned, and what ships.

    python build_tools/audit.py PIP_AUDIT

asks pip-audit (PIP_AUDIT is its path) about constraints.txt, as far as it is for the Python that
pip-audit runs on, and npm about the JavaScript that the panel is made of. Leaves with 1 for a known
vulnerability only: a database that cannot be reached is said plainly, and is no verdict.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Answer:
    """What a database knows.

    Attributes:
        found: How many packages it has.
        unknown: The names of those it has not.
        vulnerable: A line for each vulnerability.
    """

    found: int
    unknown: tuple[str, ...]
    vulnerable: tuple[str, ...]


def ask_pip_audit(command: str) -> Answer | None:
    """What is known about constraints.txt; None where the database cannot be reached."""
    # Without resolving anything: each line names a version.
    options = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json"]
    return read_pip_audit(_output([command, *options, "-r", str(ROOT / "constraints.txt")]))


def ask_npm() -> Answer | None:
    """What is known about the JavaScript that ships; None where npm's registry does not tell."""
    npm = [sys.executable, str(ROOT / "build_tools" / "panel.py"), "npm"]
    return read_npm_audit(_output([*npm, "audit", "--omit=dev", "--json"]))


def read_pip_audit(printed: str) -> Answer | None:
    """What `pip-audit --format json` says."""
    document = _json_in(printed)
    entries = document.get("dependencies", [])
    # An index without advisories answers 404, which pip-audit takes for a package that is not
    # there: it then finds nothing wrong with any of them.
    unknown = tuple(entry["name"] for entry in entries if "skip_reason" in entry)
    if len(unknown) == len(entries):
        return None
    vulnerable = [
        f"{entry['name']} {entry['version']}: {known['id']}, "
        f"fixed in {', '.join(known['fix_versions']) or 'no version'}"
        for entry in entries
        for known in entry.get("vulns", [])
    ]
    return Answer(len(entries) - len(unknown), unknown, tuple(vulnerable))


def read_npm_audit(printed: str) -> Answer | None:
    """What `npm audit --json` says."""
    document = _json_in(printed)
    if "auditReportVersion" not in document:
        return None
    # A cause is an advisory, or the name of the dependency that has it and is listed itself.
    vulnerable = [
        f"{name} {entry['range'] or cause['range']}: {cause['title']}, {cause['url']}"
        for name, entry in document["vulnerabilities"].items()
        for cause in entry["via"]
        if isinstance(cause, dict)
    ]
    # The project itself is counted among them.
    return Answer(document["metadata"]["dependencies"]["prod"] - 1, (), tuple(vulnerable))


def tell(what: str, answer: Answer | None) -> str:
    """The answer in words."""
    if answer is None:
        return f"{what}: NOT CHECKED, the database of vulnerabilities cannot be reached from here"
    lines = [f"{what}: {answer.found} looked up, {len(answer.vulnerable) or 'no'} vulnerabilities"]
    lines += [f"  {line}" for line in answer.vulnerable]
    if answer.unknown:
        lines.append(f"  not in the database: {', '.join(answer.unknown)}")
    return "\n".join(lines)


def _output(command: list[str]) -> str:
    # Both leave with 1 for a vulnerability and for a failure alike: only what they print tells.
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _json_in(printed: str) -> dict[str, Any]:
    """The object at the end of the output; empty if there is none."""
    try:
        document = json.loads(printed[printed.index("{") :])
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def main() -> None:
    """The command line described at the top of this file."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    vulnerable = False
    for what, answer in [
        ("Python packages", ask_pip_audit(sys.argv[1])),
        ("JavaScript that ships", ask_npm()),
    ]:
        print(tell(what, answer), flush=True)
        vulnerable |= answer is not None and bool(answer.vulnerable)
    sys.exit(1 if vulnerable else 0)


if __name__ == "__main__":
    main()
