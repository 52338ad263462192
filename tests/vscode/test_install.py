"""VS Code's server is what is pinned, or it is said that it could not be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vscode import install
from tests.vscode.install import SHA512, Unavailable, installed, verify


def test_a_registry_that_nobody_answers_is_unavailable_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of pip and of npm, whichever is asked first.
    for name in ("npm_config_registry", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    for name in ("npm_config_fetch_retries", "PIP_RETRIES"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(Unavailable, match="the registry cannot be reached"):
        installed(tmp_path / "server")
    assert not (tmp_path / "server" / ".installed").exists()
    # Nor is it asked again by the next file of tests.
    monkeypatch.setattr(install, "_install", None)
    with pytest.raises(Unavailable, match="the registry cannot be reached"):
        installed(tmp_path / "server")


def test_an_archive_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "code-server-4.139.1.tgz"
    archive.write_bytes(b"another")
    with pytest.raises(RuntimeError, match="expected sha512"):
        verify(archive, SHA512)
