#!/usr/bin/env python3
"""Sums up line coverage per crate, and fails below the floor: `coverage.py LCOV CHECKOUT FLOOR`.

Unit tests stand in the files that they test, and always cover themselves: their lines do not count.
"""
import collections
import pathlib
import re
import sys

UNIT_TESTS = re.compile(r"^#\[cfg\(test\)\]\n(?:#\[.*\]\n)*mod \w+ \{$", re.MULTILINE)


def first_test_line(path):
    """Returns the number of the line on which the unit tests of a source file begin, or infinity."""
    text = path.read_text()
    found = UNIT_TESTS.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else float("inf")


def main(lcov, checkout, floor):
    checkout = pathlib.Path(checkout)
    crates = collections.defaultdict(lambda: [0, 0])
    for record in pathlib.Path(lcov).read_text().splitlines():
        kind, _, value = record.partition(":")
        if kind == "SF":
            path = pathlib.Path(value)
            crate = str(path.relative_to(checkout)).split("/src/")[0]
            end = first_test_line(path)
        elif kind == "DA":
            line, count = map(int, value.split(",")[:2])
            if line < end:
                for name in (crate, "total"):
                    crates[name][0] += count > 0
                    crates[name][1] += 1
    covered, lines = crates.pop("total")
    percent = 100 * covered / lines
    parts = ", ".join(f"{name} {100 * crate[0] / crate[1]:.1f}" for name, crate in sorted(crates.items()))
    print(f"coverage: {percent:.1f} % of {lines} lines, floor {floor} % ({parts})")
    if percent < float(floor):
        sys.exit(f"coverage: {percent:.1f} % is below the floor of {floor} %")


main(*sys.argv[1:])
