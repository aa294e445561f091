"""Every rule of tools/check_layers.py must be able to fail."""
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_layers  # noqa: E402


def faults(folder, files):
    for name, text in files.items():
        path = folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return check_layers.check(folder)[0]


def test_a_clean_tree_passes(tmp_path):
    assert faults(tmp_path, {
        "base/error.hpp": "#pragma once\n#include <vector>\n#include <sys/mman.h>\n",
        "ir/graph.cpp": '#include "base/error.hpp"\n// printf( in a comment, "and std::cout"\n',
        "import/onnx/read.cpp": "#include <protozero/pbf_reader.hpp>\n",
        "cli/image.cpp": "#include <spng.h>\n",
    }) == []


BAD = {
    "upward": ({"base/a.cpp": '#include "ir/g.hpp"\n', "ir/g.hpp": "#pragma once\n"}, "base may not include ir"),
    "sideways": ({"import/a.cpp": '#include "passes/p.hpp"\n', "passes/p.hpp": "#pragma once\n"}, "import may not include passes"),
    "kernel-registry": ({"kernels/x64/a.cpp": '#include "ops/registry.hpp"\n', "ops/registry.hpp": "#pragma once\n"},
                        "only kernels/ref"),
    "room": ({"kernels/x64/gemm.cpp": "#include <xbyak/xbyak.h>\n"}, "belongs in kernels/x64/jit"),
    "no-room": ({"ops/a.cpp": "#include <opencv2/core.hpp>\n"}, "has no room"),
    "stray": ({"ops/a.cpp": '#include "ops/nothing.hpp"\n'}, "is not a header of src"),
    "public": ({"ops/a.cpp": "#include <slipway/slipway.hpp>\n"}, "public API"),
    "cycle": ({"ir/a.hpp": '#pragma once\n#include "ir/b.hpp"\n', "ir/b.hpp": '#pragma once\n#include "ir/a.hpp"\n'}, "includes itself"),
    "layer": ({"utils/a.cpp": "\n"}, "no such layer"),
    "guard": ({"ir/a.hpp": "struct A;\n"}, "#pragma once"),
    "ascii": ({"ir/a.cpp": "// \u00e4\n"}, "ASCII"),
    "wide": ({"ir/a.cpp": "// " + "x" * 130 + "\n"}, "columns"),
    "long": ({"ir/a.cpp": "\n" * 901}, "901 lines"),
    "environment": ({"ir/a.cpp": 'auto x = std::getenv("HOME");\n'}, "environment"),
    "prints": ({"ir/a.cpp": 'void f() { std::printf("x"); }\n'}, "prints"),
    "exits": ({"ir/a.cpp": "void f() { std::exit(1); }\n"}, "ends the process"),
    "thread": ({"runtime/a.cpp": "std::thread t;\n"}, "makes a thread"),
    "links": ({"CMakeLists.txt": "slipway_layer(ir DEPS base ops)\n"}, "ir may not link ops"),
}


@pytest.mark.parametrize("case", BAD)
def test_each_rule_can_fail(tmp_path, case):
    files, expected = BAD[case]
    found = faults(tmp_path, files)
    assert len(found) == 1 and expected in found[0], found
