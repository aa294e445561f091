"""The installed package: an outside project finds it with CMake and with pkg-config, and its library exports the C API alone."""
import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(slipway 0.1 REQUIRED)
add_executable(outside main.cpp)
target_compile_features(outside PRIVATE cxx_std_20)
target_link_libraries(outside PRIVATE slipway::slipway)
"""
MAIN = """#include <slipway/slipway.hpp>
#include <cstdio>
int main(int, char** argv) {
  auto engine = slipway::Engine::load(argv[1], {.threads = 1});
  if (!engine) return std::puts(engine.error().message.c_str()), 1;
  auto session = slipway::Session::make(*engine);
  std::vector<float> x = {1, 2, 3, 4};
  auto out = session->run({{"x", slipway::TensorView(x, {1, 4})}});
  std::printf("%g\\n", (*out)["y"].as<float>()[2]);
}
"""


def sh(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **options).stdout


@pytest.fixture(scope="module")
def prefix(program, sanitized, tmp_path_factory):
    if sanitized:
        pytest.skip("a program without the sanitizer cannot link the library")
    folder = tmp_path_factory.mktemp("prefix")
    sh("cmake", "--install", program.parent.parent, "--prefix", folder)
    return folder


@pytest.fixture
def source(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "main.cpp").write_text(MAIN)
    return tmp_path


def test_cmake(prefix, source, root):
    sh("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    sh("cmake", "--build", source / "build")
    assert sh(source / "build/outside", root / "examples/linear.onnx") == "9.5\n"


def test_pkg_config(prefix, source, root):
    (pc,) = prefix.rglob("slipway.pc")
    flags = sh("pkg-config", "--cflags", "--libs", "slipway", env={**os.environ, "PKG_CONFIG_PATH": pc.parent}).split()
    sh("c++", "-std=c++20", source / "main.cpp", "-o", source / "outside", *flags)
    (library,) = prefix.rglob("libslipway.so")
    found = sh(source / "outside", root / "examples/linear.onnx", env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)})
    assert found == "9.5\n"


def test_exports(prefix, root):
    (library,) = prefix.rglob("libslipway.so")
    exported = {line.split()[-1] for line in sh("nm", "-D", "--defined-only", library).splitlines()}
    declared = set(re.findall(r"\b(slipway_\w+)\(", Path(prefix / "include/slipway/slipway.h").read_text()))
    assert exported == declared
    assert "SONAME" in (dynamic := sh("readelf", "-d", library)) and "libslipway.so.0" in dynamic
