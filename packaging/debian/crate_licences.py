"""Prints the licence and the notices of every crate that is linked into irisnode.

What `cargo tree` names for the target is what the linker sees; the texts are the files that each crate brings. A text
that several crates share, word for word, stands once. cargo-about does the same from a template, and takes minutes to
build.

usage: crate_licences.py [TARGET] > rust-crates.txt
"""

import json
import pathlib
import re
import subprocess
import sys

TEXT = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def linked(target):
    """Names and versions of what is linked, irisnode left out."""
    lines = cargo(
        "tree", "--locked", "--edges", "normal", "--target", target, "--prefix", "none", "--format", "{p}"
    ).splitlines()
    # A line is "name v1.2.3", with "(proc-macro)" for what runs in the compiler only.
    crates = {tuple(line.split()[:2]) for line in lines if line and "(proc-macro)" not in line}
    return {(name, version.removeprefix("v")) for name, version in crates if name != "irisnode"}


def texts(folder):
    # Sources of others that lie in a crate (CharLS, SQLite) bring theirs along.
    files = sorted(path for path in folder.rglob("*") if path.is_file() and TEXT.search(path.name))
    # A program that is named after licences is none.
    return [path.read_text(errors="replace").strip() for path in files if path.suffix not in {".rs", ".toml", ".json"}]


def main(target):
    wanted = linked(target)
    packages = json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]
    packages = [p for p in packages if (p["name"], p["version"]) in wanted]
    missing = wanted - {(p["name"], p["version"]) for p in packages}
    if missing:
        sys.exit(f"cargo metadata does not know {sorted(missing)}")
    sharing = {}
    without = []
    for package in sorted(packages, key=lambda p: (p["name"], p["version"])):
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {package['license'] or 'see its text below'}")
        found = texts(pathlib.Path(package["manifest_path"]).parent)
        if not found:
            without.append(f"{name} ({', '.join(package['authors']) or 'authors not named'})")
        for text in found:
            sharing.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    if without:
        print("\nThese bring no text; /usr/share/common-licenses/ has the Apache License, and MIT's is below:")
        print("\n".join(f"  {one}" for one in without))
    for text, names in sharing.values():
        print(f"\n{'=' * 80}\n{', '.join(names)}\n{'-' * 80}\n{text}")


main(sys.argv[1] if len(sys.argv) > 1 else "x86_64-unknown-linux-gnu")
