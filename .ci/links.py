#!/usr/bin/env python3
"""Checks the links of all Markdown pages in the checkout: files exist, and sections exist. Links to other sites are not followed.
In the book (`docs`), a link must not leave the folder, since the page is published without the rest.

usage: .ci/links.py    in the top folder of the checkout
"""
import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"^\[[^\]]+\]: (\S+)", re.M)
INCLUDE = re.compile(r"\{\{#include ([^}]+)\}\}")


def prose(text):
    """The text without code."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", lambda code: code.group(0) if code.group(0).startswith("`[") else "``", text)


def anchors(text):
    """The anchors of the headings, as mdBook and GitHub make them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        anchor = words.strip().replace(" ", "-")
        number = 0
        while (anchor if not number else f"{anchor}-{number}") in found:
            number += 1
        found.add(anchor if not number else f"{anchor}-{number}")
    return found


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True, check=True)
    pages = [pathlib.Path(name) for name in listed.stdout.split("\n") if name and pathlib.Path(name).exists()]
    book = pathlib.Path("docs").resolve()
    wrong, checked = [], 0
    texts = {page.resolve(): page.read_text() for page in pages}
    for page in pages:
        text = page.read_text()
        included = INCLUDE.findall(text)
        for name in included:
            source = (page.parent / name.strip()).resolve()
            if not source.exists():
                wrong.append(f"{page}: includes {name}, which does not exist")
            else:
                text += texts.get(source) or source.read_text()
        for link in LINK.findall(prose(text)) + REFERENCE.findall(prose(text)):
            if re.match(r"[a-z]+:", link):
                continue
            checked += 1
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page.resolve()
            if not target.exists():
                wrong.append(f"{page}: {link} does not exist")
            elif page.resolve().is_relative_to(book) and not target.is_relative_to(book):
                wrong.append(f"{page}: {link} leaves the book; link to the repository on the web instead")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
                wrong.append(f"{page}: {link}: no such section")
    summary = pathlib.Path("docs/SUMMARY.md").read_text()
    for page in pages:
        inside = page.resolve().is_relative_to(book) and page.name != "SUMMARY.md"
        if inside and f"]({page.relative_to('docs')})" not in summary:
            wrong.append(f"{page}: not in docs/SUMMARY.md")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{checked} links in {len(pages)} pages lead somewhere")


if __name__ == "__main__":
    main()
