#!/usr/bin/env python3
"""clang-tidy on the files that changed, with results kept by content.

    tidy.py BUILD [--all | --base REVISION]

Changed is what differs from where the branch left origin/main (on main itself: from the commit before), committed or
not. A changed header is checked through one source file that includes it, its namesake if there is one. A result is
kept under build/tidy by the hash of everything that it depends on, so only new contents cost time.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build/tidy"
TIDY = "clang-tidy-14"
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.M)


def git(*args):
    done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True)
    return done.stdout.split("\n") if done.returncode == 0 else []


def base_revision():
    head = git("rev-parse", "HEAD")[:1]
    fork = git("merge-base", "HEAD", "origin/main")[:1]
    return fork[0] if fork and fork[0] and fork != head else "HEAD~1"


def changed_files(base):
    names = set(git("diff", "--name-only", "--diff-filter=d", base)) | set(git("ls-files", "-o", "--exclude-standard"))
    return {ROOT / n for n in names if n.endswith((".cpp", ".hpp", ".h", ".c"))}


def includes(file):
    """The files of this repository that `file` includes, itself included, transitively."""
    seen, queue = {file}, [file]
    while queue:
        current = queue.pop()
        for name in INCLUDE.findall(current.read_bytes()):
            for folder in (ROOT / "src", ROOT / "include", ROOT / "tests", current.parent):
                found = folder / name.decode()
                if found.is_file():
                    if found not in seen:
                        seen.add(found)
                        queue.append(found)
                    break
    return seen


def sources_to_check(changed, sources):
    """Changed sources, and for each changed header that none of them reads one source that does."""
    chosen = {s for s in sources if s in changed}
    closure = {s: includes(s) for s in sources}
    covered = set().union(*(closure[s] for s in chosen)) if chosen else set()
    for header in sorted(changed - set(sources)):
        users = [s for s in sources if header in closure[s]]
        if header in covered or not users:
            continue
        best = min(users, key=lambda s: (s.stem != header.stem, len(closure[s]), s))
        chosen.add(best)
        covered |= closure[best]
    return sorted(chosen), closure


def key_of(command, files):
    digest = hashlib.sha256(command.encode())
    digest.update((ROOT / ".clang-tidy").read_bytes())
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def run_tidy(source, build, mark):
    """clang-tidy's complaints about one source; a clean result is remembered in `mark`."""
    done = subprocess.run([TIDY, "-p", str(build), "--quiet", str(source)], capture_output=True, text=True)
    if done.returncode == 0:
        mark.touch()
        return ""
    return done.stdout or done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="build folder with compile_commands.json")
    parser.add_argument("--all", action="store_true", help="every source, changed or not")
    parser.add_argument("--base", help="revision to compare with")
    args = parser.parse_args()
    commands = {Path(c["file"]).resolve(): c["command"] for c in json.loads((args.build / "compile_commands.json").read_text())}
    sources = sorted(f for f in commands if ROOT in f.parents and ROOT / "build" not in f.parents)
    changed = set(sources) if args.all else changed_files(args.base or base_revision())
    chosen, closure = sources_to_check(changed, sources)
    CACHE.mkdir(parents=True, exist_ok=True)
    marks = {s: CACHE / key_of(commands[s].replace(str(ROOT), ""), closure[s]) for s in chosen}
    todo = [s for s in chosen if not marks[s].exists()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for report in pool.map(lambda s: run_tidy(s, args.build, marks[s]), todo):
            if report:
                failed += 1
                print(report, flush=True)
    print(f"tidy: {len(chosen)} files, {len(chosen) - len(todo)} known clean, {failed} with faults")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
