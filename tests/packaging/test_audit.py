"""What the audit makes of the tools' output, as pip-audit 2.10 and npm 10 printed it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from build_tools import audit, panel

PILLOW = {"id": "PYSEC-1", "fix_versions": ["99"], "aliases": [], "description": "bad"}
FLAWED = {"name": "pillow", "version": "13.0.0", "vulns": [PILLOW]}
SOUND = {"name": "jinja2", "version": "3.1.6", "vulns": []}
UNKNOWN = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited"}
LIT = {
    "name": "lit",
    "via": [
        {"name": "lit", "title": "Bad", "url": "https://example.org/1", "range": "<4.0.0"},
        "lit-html",
    ],
    "range": "",
}


def pip_audit(*entries: dict) -> str:
    return json.dumps({"dependencies": entries, "fixes": []})


def npm_audit(**vulnerabilities: dict) -> str:
    document = {
        "auditReportVersion": 2,
        "vulnerabilities": vulnerabilities,
        "metadata": {"dependencies": {"prod": 7, "dev": 92}},
    }
    return f"panel: npm audit --omit=dev --json\n{json.dumps(document, indent=2)}\n"


def test_a_vulnerable_package_is_told_with_the_version_that_mends_it():
    answer = audit.read_pip_audit(pip_audit(SOUND, FLAWED, UNKNOWN))
    assert answer == audit.Answer(2, ("six",), ("pillow 13.0.0: PYSEC-1, fixed in 99",))
    assert audit.tell("Python", answer).splitlines() == [
        "Python: 2 looked up, 1 vulnerabilities",
        "  pillow 13.0.0: PYSEC-1, fixed in 99",
        "  not in the database: six",
    ]


def test_a_vulnerable_script_is_told_once_with_its_advisory():
    answer = audit.read_npm_audit(npm_audit(lit=LIT))
    assert answer == audit.Answer(6, (), ("lit <4.0.0: Bad, https://example.org/1",))


def test_nothing_known_is_a_verdict():
    assert audit.read_pip_audit(pip_audit(SOUND)) == audit.Answer(1, (), ())
    assert audit.read_npm_audit(npm_audit()) == audit.Answer(6, (), ())


@pytest.mark.parametrize(
    ("read", "printed"),
    [
        # An index that serves no advisories: pip-audit itself calls this no vulnerabilities.
        (audit.read_pip_audit, pip_audit(UNKNOWN, UNKNOWN)),
        (audit.read_pip_audit, ""),
        (audit.read_npm_audit, '{"message": "405 Method Not Allowed", "statusCode": 405}'),
        (audit.read_npm_audit, '{"message": "connect ECONNREFUSED", "error": {"summary": ""}}'),
        (audit.read_npm_audit, "{ half an ans"),
    ],
)
def test_a_database_that_does_not_answer_is_no_verdict(read, printed):
    assert read(printed) is None
    assert "NOT CHECKED" in audit.tell("Python", None)


@pytest.mark.parametrize(("entry", "leaves_with"), [(FLAWED, 1), (SOUND, 0), (UNKNOWN, 0)])
def test_only_a_vulnerability_fails(entry, leaves_with, tmp_path: Path):
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{pip_audit(entry)}\nEND\n", encoding="utf-8")
    tool.chmod(0o755)
    # Nothing listens there, so npm has no answer.
    nowhere = {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}
    finished = subprocess.run(
        [sys.executable, panel.ROOT / "build_tools" / "audit.py", tool],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == leaves_with, finished.stdout + finished.stderr
    assert "JavaScript that ships: NOT CHECKED" in finished.stdout
