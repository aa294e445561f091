"""tools/tidy.py must check what changed, and forget a result when anything it depends on changes."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import tidy  # noqa: E402


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    for name, text in {
        ".clang-tidy": "Checks: '*'\n",
        "src/a.hpp": "int a();\n",
        "src/b.hpp": '#include "a.hpp"\n',
        "src/a.cpp": '#include "a.hpp"\n',
        "src/b.cpp": '#include "b.hpp"\n',
        "src/c.cpp": "int c;\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "src"


def test_a_header_is_read_through_its_namesake(tree):
    sources = sorted(tree.glob("*.cpp"))
    assert tidy.sources_to_check({tree / "a.hpp"}, sources)[0] == [tree / "a.cpp"]
    assert tidy.sources_to_check({tree / "a.hpp", tree / "b.cpp"}, sources)[0] == [tree / "b.cpp"]
    assert tidy.sources_to_check({tree / "c.cpp"}, sources)[0] == [tree / "c.cpp"]


def test_the_key_depends_on_every_file_read(tree):
    def key(command="c++"):
        return tidy.key_of(command, tidy.includes(tree / "b.cpp"))
    first = key()
    assert key() == first
    assert key("c++ -O2") != first
    (tree / "a.hpp").write_text("long a();\n")
    second = key()
    assert second != first
    (tree.parent / ".clang-tidy").write_text("Checks: '-*'\n")
    assert key() != second
