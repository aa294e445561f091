#!/usr/bin/env python3
"""Run a test command unless it passed before with the same contents.

    remember.py MARK PATH... -- COMMAND...

The hash of the command, of the SLIPWAY_* variables, of the CPU and of all PATHs (files; folders with everything below)
is kept in the file MARK when COMMAND exits with 0. Large files count by name, size and time. SLIPWAY_RETEST=1 always runs.
"""
import hashlib
import os
import subprocess
import sys
from pathlib import Path

LARGE = 64 << 20


def add_file(digest, path):
    stat = path.stat()
    digest.update(f"{path}\0{stat.st_size}\0".encode())
    if stat.st_size > LARGE:
        digest.update(str(stat.st_mtime_ns).encode())
    else:
        digest.update(path.read_bytes())


def key_of(command, paths, environment):
    digest = hashlib.sha256("\0".join(command).encode())
    for name in sorted(environment):
        if name.startswith("SLIPWAY_") and name != "SLIPWAY_RETEST":
            digest.update(f"{name}={environment[name]}\0".encode())
    cpu = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    digest.update("\n".join(line for line in cpu if line.startswith(("model name", "flags"))).encode())
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                add_file(digest, file)
    return digest.hexdigest()


def main():
    if "--" not in sys.argv[2:-1]:
        sys.exit(__doc__)
    split = sys.argv.index("--")
    mark, paths, command = Path(sys.argv[1]), [Path(p) for p in sys.argv[2:split]], sys.argv[split + 1:]
    key = key_of(command, paths, os.environ)
    if not os.environ.get("SLIPWAY_RETEST") and mark.exists() and mark.read_text() == key:
        print("passed before with the same contents; SLIPWAY_RETEST=1 runs it again")
        return 0
    status = subprocess.run(command).returncode
    if status == 0:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(key)
    else:
        mark.unlink(missing_ok=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
