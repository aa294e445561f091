#!/usr/bin/env python3
"""Keep the house in order: who includes whom, which third-party header lives where, and a few rules of style.

    check_layers.py [ROOT]

Reads the #include lines of ROOT/src and the link table of ROOT/src/CMakeLists.txt. Prints one line a fault,
FILE:LINE: what, and exits 1 when there is any.
"""
import re
import sys
from pathlib import Path

# A layer may include itself and these.
GRAPH = {"base", "ir", "ops"}
BELOW_ENGINE = GRAPH | {"import", "passes", "quant", "tactic", "kernels", "cuda", "plan", "runtime", "plugin"}
LAYERS = {
    "base": set(),
    "ir": {"base"},
    "ops": {"base", "ir"},
    "import": GRAPH,
    "passes": GRAPH,
    "quant": GRAPH | {"passes"},
    "tactic": {"base", "ir"},
    "kernels": GRAPH | {"tactic"},
    "cuda": GRAPH | {"tactic"},
    "plugin": GRAPH | {"tactic"},
    "plan": GRAPH | {"passes", "tactic"},
    "runtime": GRAPH | {"passes", "tactic", "plan"},
    "engine": BELOW_ENGINE,
    "serve": BELOW_ENGINE | {"engine"},
    "capi": BELOW_ENGINE | {"engine"},
    "cli": BELOW_ENGINE | {"engine", "serve"},
}
# Folders that see less than their layer: of ops, kernels read attribute headers; only kernels/ref calls the ops.
NARROWED = {"kernels": ("kernels/ref", {"ops/op.hpp", "ops/registry.hpp", "ops/samples.hpp"})}
PUBLIC_API_USERS = ("capi", "cli", "engine")  # may include <slipway/...>

# Third-party headers by prefix, and the folders where they may be included.
ROOMS = {
    "xbyak/": ("kernels/x64/jit",),
    "protozero/": ("import",),
    "flatbuffers/": ("engine",),
    "rapidjson/": ("serve/codec", "cli"),
    "boost/": ("serve/http",),
    "prometheus/": ("serve/metrics",),
    "CLI/": ("cli",),
    "spdlog/": ("base",),
    "fmt/": ("base",),
    "turbojpeg.h": ("cli/image", "ops/image_decoder"),
    "spng.h": ("cli/image", "ops/image_decoder"),
    "openjpeg.h": ("ops/image_decoder",),
    "tiffio.h": ("ops/image_decoder",),
    "webp/": ("ops/image_decoder",),
    "zlib.h": ("serve/codec", "serve/http"),
    "immintrin.h": ("base", "kernels"),
    "emmintrin.h": ("base", "kernels"),
    "cpuid.h": ("base",),
}
SYSTEM_HEADER = re.compile(r"(sys|linux|netinet|arpa|asm)/\w+\.h|(unistd|fcntl|pthread|sched|signal|errno|dlfcn|poll|dirent|limits|semaphore"
                           r"|math|locale|wctype|stdint|stddef|stdbool|stdlib|string|stdio|malloc|link|elf|netdb|spawn)\.h|[a-z_0-9]+")

# Calls that a library does not make, and the folders that may.
RESERVED = {
    re.compile(r"\b(secure_)?getenv\s*\("): (("base/knobs",), "reads the environment (declare a knob in base/knobs)"),
    re.compile(r"\bstd::(cout|cerr)\b|(?<![\w.>])(std::)?(f?printf|f?puts)\s*\("): (("cli",), "prints"),
    re.compile(r"(?<![\w.>])(std::)?(_?exit|quick_exit)\s*\("): (("cli",), "ends the process"),
    re.compile(r"\bstd::(jthread|async|thread)\b(?!::)|\bpthread_create\b"): (("base", "serve", "cli"), "makes a thread"),
}
WARN_LINES, MAX_LINES, MAX_COLUMNS = 600, 900, 130
INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
COMMENT_OR_STRING = re.compile(r'//.*|"(?:\\.|[^"\\])*"')


def in_room(path, rooms):
    """Whether `path` (relative to src) lies in a folder of `rooms` or is a file of that name."""
    return any(path == room or path.startswith((room + "/", room + ".")) for room in rooms)


def room_of(header):
    return next((rooms for prefix, rooms in ROOMS.items() if header.startswith(prefix)), None)


def check_include(path, header, local, found):
    """The fault of including `header` in `path`, or None; `found` tells whether it is a header of src."""
    layer = path.split("/")[0]
    if header.startswith("slipway/"):
        return None if layer in PUBLIC_API_USERS else f"{layer} may not include the public API ({header})"
    if local and found:
        target = header.split("/")[0]
        if target != layer and target not in LAYERS[layer]:
            return f"{layer} may not include {target} ({header})"
        if layer in NARROWED and header in NARROWED[layer][1] and not path.startswith(NARROWED[layer][0] + "/"):
            return f"only {NARROWED[layer][0]} may include {header}"
        return None
    rooms = room_of(header)
    if header.endswith("_generated.h"):
        rooms = ROOMS["flatbuffers/"]
    if rooms is not None:
        return None if in_room(path, rooms) else f"<{header}> belongs in {' or '.join(rooms)}"
    if local:
        return f'"{header}" is not a header of src'
    return None if SYSTEM_HEADER.fullmatch(header) else f"<{header}> has no room; give it one in tools/check_layers.py"


def check_text(path, text):
    """(line, fault) for the rules that need no other file."""
    lines = text.split("\n")
    if path.endswith(".hpp") and "#pragma once" not in text:
        yield 1, "a header without #pragma once"
    if len(lines) - 1 > MAX_LINES:
        yield len(lines) - 1, f"{len(lines) - 1} lines, at most {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if not line.isascii():
            yield number, "a character outside ASCII"
        if len(line) > MAX_COLUMNS:
            yield number, f"{len(line)} columns, at most {MAX_COLUMNS}"
        code = COMMENT_OR_STRING.sub("", line)
        for pattern, (rooms, what) in RESERVED.items():
            if pattern.search(code) and not in_room(path, rooms):
                yield number, f"{what}; only {' and '.join(rooms)} may"


def find_cycle(graph):
    """A list of files that include each other in a ring, or None."""
    done, trail = set(), []

    def visit(node):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        for target in sorted(graph.get(node, ())):
            if ring := visit(target):
                return ring
        trail.pop()
        done.add(node)
        return None
    for start in sorted(graph):
        if ring := visit(start):
            return ring
    return None


def check_links(cmake):
    """(line, fault) where the link table of CMake allows more than LAYERS."""
    for number, line in enumerate(cmake.split("\n"), 1):
        match = re.match(r"\s*slipway_layer\((\w+)(?:\s+DIR \S+)?(?:\s+DEPS ([\w ]+?))?(?:\s+LIBS.*)?\)", line)
        if match and (extra := set((match[2] or "").split()) - LAYERS.get(match[1], set())):
            yield number, f"{match[1]} may not link {', '.join(sorted(extra))}"


def check(root):
    """(faults, warnings) as lines of text."""
    src, faults, warnings, graph = root / "src", [], [], {}
    for file in sorted(f for f in src.rglob("*") if f.suffix in (".cpp", ".hpp", ".h", ".c")):
        path = file.relative_to(src).as_posix()
        text = file.read_bytes().decode("utf-8", "replace")
        layer = path.split("/")[0]
        if layer not in LAYERS or "/" not in path:
            faults.append(f"src/{path}:1: no such layer: {layer}")
            continue
        faults += [f"src/{path}:{number}: {what}" for number, what in check_text(path, text)]
        if text.count("\n") > WARN_LINES:
            warnings.append(f"src/{path}: {text.count(chr(10))} lines, better below {WARN_LINES}")
        for number, line in enumerate(text.split("\n"), 1):
            if not (match := INCLUDE.match(line)):
                continue
            header, local = match[1] or match[2], match[1] is not None
            found = local and (src / header).exists()
            if found:
                graph.setdefault(path, set()).add(header)
            if fault := check_include(path, header, local, found):
                faults.append(f"src/{path}:{number}: {fault}")
    if ring := find_cycle(graph):
        faults.append(f"src/{ring[0]}:1: includes itself through {' -> '.join(ring)}")
    cmake = src / "CMakeLists.txt"
    if cmake.exists():
        faults += [f"src/CMakeLists.txt:{number}: {what}" for number, what in check_links(cmake.read_text())]
    return faults, warnings


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    faults, warnings = check(root)
    for line in warnings:
        print("warning:", line)
    for line in faults:
        print(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
