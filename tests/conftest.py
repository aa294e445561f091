"""Fixtures shared by the Python tests. ctest sets SLIPWAY_PROGRAM; by hand the release build is taken."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def program():
    """Path of the slipway program under test."""
    path = Path(os.environ.get("SLIPWAY_PROGRAM", ROOT / "build/release/bin/slipway"))
    assert path.exists(), f"{path} is missing: build the target slipway"
    return path


@pytest.fixture(scope="session")
def sanitized(program):
    """Whether the program carries a sanitizer."""
    return "SLIPWAY_SANITIZE:STRING=\n" not in (program.parent.parent / "CMakeCache.txt").read_text()


@pytest.fixture(scope="session")
def slipway(program):
    """slipway(*arguments, status=0, env={}): runs the program, checks its exit status and gives its CompletedProcess."""
    def run(*arguments, status=0, env=None, timeout=600):
        done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, **(env or {})})
        assert done.returncode == status, f"slipway {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done
    return run


@pytest.fixture(scope="session")
def models():
    """Folder with the models of tools/models.py (scripts/test makes it)."""
    folder = Path(os.environ.get("SLIPWAY_MODELS", ROOT / "build/models"))
    assert folder.is_dir(), f"{folder} is missing: run build/venv/bin/python tools/models.py build/models"
    return folder
