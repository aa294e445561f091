"""tools/remember.py runs a test again as soon as anything that it depends on changed, and never remembers a failure."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/remember.py"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs/a").write_text("1")

    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}

    def call(script="exit 0", **environment):
        """Whether the command ran, and its exit status."""
        ran = tmp_path / "ran"
        ran.unlink(missing_ok=True)
        status = subprocess.run([sys.executable, TOOL, tmp_path / "mark", tmp_path / "inputs", "--", "bash", "-c", f"touch {ran}; {script}"],
                                env={**surroundings, **environment}, capture_output=True).returncode
        return ran.exists(), status
    return call


def test_a_pass_is_remembered_until_something_changes(run, tmp_path):
    assert run() == (True, 0)
    assert run() == (False, 0)
    assert run(SLIPWAY_RETEST="1") == (True, 0)
    assert run(SLIPWAY_MAX_ISA="portable") == (True, 0)
    assert run() == (True, 0)
    (tmp_path / "inputs/a").write_text("2")
    assert run() == (True, 0)
    (tmp_path / "inputs/b").write_text("")
    assert run() == (True, 0)
    assert run("true; exit 0") == (True, 0)


def test_a_failure_is_not_remembered(run):
    assert run("exit 3") == (True, 3)
    assert run("exit 3") == (True, 3)
    assert run("kill -SEGV $$") == (True, 139)
