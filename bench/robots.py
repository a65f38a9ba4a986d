#!/usr/bin/env python3
"""Measures the bot detection on lists of user agents that were not used to develop it, and writes the rates into docs/bots.md.

The lists are downloaded from PyPI and isbot's repository into a temporary directory. They are not kept, because the licence of
Device Detector (LGPL) differs from that of this repository. The rates exclude all user agents that were used to choose the
words of the detection: those in function/tests/corpus and crawler-user-agents, those that users reported, and one half of the
lists, which is selected by a bit of the SHA-256 of each line.
--misses shows the wrong results for that half only, because words may be chosen by it.
"""
import argparse
import datetime
import glob
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import common

LISTS = {"device-detector": "6.5.1", "crawler-user-agents": "1.67.0"}
ISBOT = ("https://github.com/omrilotan/isbot", "v5.2.1")
DOCS = common.TOP / "docs" / "bots.md"
BEGIN, END = "<!-- bench/robots.py writes what follows -->\n", "<!-- bench/robots.py wrote what precedes -->\n"
# Device Detector's test files of devices with browsers. The other files contain apps, players and feed readers.
DEVICES = ["camera", "car_browser", "console", "desktop", "feature_phone", "peripheral", "phablet", "portable_media_player",
           "smart_display", "smartphone", "tablet", "tv", "wearable"]
# User agents that users reported as detected wrongly. The detection was changed for them.
REPORTED = ["cloudflareobservatory", "cloudflarediagnostics", "devin/", "googlemessages", "functionize", "fasthttp", "marketgoo",
            "netcast.tv-2013 compatible", "m bot ", "vr bot ", "xbot junior", "camscanner"]
READ_YAML = "import json, sys, yaml; print(json.dumps(yaml.load(sys.stdin, Loader=yaml.CSafeLoader)))"


def yaml(python, path):
    text = path.read_text(encoding="utf-8")
    return json.loads(subprocess.run([python, "-c", READ_YAML], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout)


def fetch(place, isbot):
    """Downloads the lists. Returns the bots of each list, the people of each list, and the lines of crawler-user-agents."""
    python = common.venv(name="bench-venv-lists", packages={"PyYAML": "6.0.3"}) / "python"
    for package, version in LISTS.items():
        source = ["--no-binary", package] if package == "device-detector" else []
        common.run([python, "-m", "pip", "download", "-q", "--no-deps", *source, "-d", place, f"{package}=={version}"])
    if isbot is None:
        isbot = place / "isbot"
        common.run(["git", "clone", "-q", "--depth", "1", "--branch", ISBOT[1], ISBOT[0], isbot])
    with tarfile.open(place / f"device_detector-{LISTS['device-detector']}.tar.gz") as archive:
        archive.extractall(place, filter="data")
    fixtures = place / f"device_detector-{LISTS['device-detector']}" / "device_detector" / "tests" / "fixtures" / "upstream"
    (wheel,) = place.glob("crawler_user_agents-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("crawler-user-agents.json")]
        crawlers = {line for entry in json.loads(archive.read(name)) for line in entry.get("instances", [])}

    def lines(entries):
        stripped = [str(entry).strip() for entry in entries]
        return list(dict.fromkeys(line for line in stripped if line and "\n" not in line))

    def of_isbot(file):
        values = yaml(python, isbot / "fixtures" / file).values()
        return lines(line for value in values for line in (value if isinstance(value, list) else [value]))

    def is_browser(entry):
        client = entry.get("client")
        return isinstance(client, dict) and client.get("type") == "browser"

    def mozilla(all_lines):
        return [line for line in all_lines if line.startswith(("Mozilla/", "Opera/"))]

    robots = {
        "Device Detector": lines(entry["user_agent"] for entry in yaml(python, fixtures / "bots.yml")),
        "isbot": of_isbot("crawlers.yml"),
    }
    people = {"Device Detector": [], "Device Detector, televisions": [], "isbot": mozilla(of_isbot("browsers.yml"))}
    for device in DEVICES:
        for file in sorted(glob.glob(f"{fixtures}/{device}.yml") + glob.glob(f"{fixtures}/{device}-*.yml")):
            found = [entry["user_agent"] for entry in yaml(python, pathlib.Path(file)) if is_browser(entry)]
            people["Device Detector, televisions" if device == "tv" else "Device Detector"] += mozilla(lines(found))
    return robots, people, crawlers


def is_for_tuning(line):
    return hashlib.sha256(line.encode()).digest()[0] & 1 == 0


def judge(binary, lines):
    """Returns the result of the detection for each line: `person`, or `robot` with the reason."""
    said = subprocess.run([binary], input="".join(f"{line}\n" for line in lines), stdout=subprocess.PIPE, text=True, check=True)
    verdicts = said.stdout.splitlines()
    assert len(verdicts) == len(lines), "expected a result for each line"
    return verdicts


def row(binary, name, lines, is_robot):
    wrong = sum((verdict == "person") == is_robot for verdict in judge(binary, lines))
    # In hundredths of a percent, rounded up, so that no rate looks better than it is.
    rate = -(-wrong * 10_000 // len(lines)) if lines else 0
    return f"| {name} | {len(lines)} | {wrong} ({rate // 100}.{rate % 100:02} %) |\n", wrong, len(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isbot", type=pathlib.Path, help="a checkout of isbot's repository, instead of a clone")
    parser.add_argument("--binary", type=pathlib.Path, help="the program `robots`, instead of building it")
    parser.add_argument("--misses", action="store_true", help="show the wrong results for the half that may be used for tuning; write nothing")
    options = parser.parse_args()
    binary = options.binary
    if binary is None:
        common.run(["cargo", "build", "--locked", "-p", "hitctl-bench", "--bin", "robots"], cwd=common.TOP, timeout=3600)
        binary = common.target_dir() / "debug" / "robots"
    corpus = set()
    for file in (common.TOP / "function" / "tests" / "corpus").glob("*.txt"):
        corpus |= set(file.read_text(encoding="utf-8").splitlines())
    with tempfile.TemporaryDirectory(prefix="hitctl-robots-") as place:
        robots, people, crawlers = fetch(pathlib.Path(place), options.isbot)

    if options.misses:
        for lists, is_robot in ((robots, True), (people, False)):
            for name, all_lines in lists.items():
                lines = [line for line in all_lines if is_for_tuning(line)]
                for line, verdict in zip(lines, judge(binary, lines)):
                    if (verdict == "person") == is_robot:
                        print(f"{name}: {verdict}: {line}")
        return

    def unseen(all_lines):
        return [line for line in all_lines if not is_for_tuning(line) and line not in corpus and line not in crawlers
                and not any(name in line.lower() for name in REPORTED)]

    every_robot = list(dict.fromkeys(line for lines in robots.values() for line in lines))
    every_person = list(dict.fromkeys(line for lines in people.values() for line in lines))
    table = "| user agents of | in all | wrong |\n| --- | ---: | ---: |\n"
    for name, lines in [*robots.items(), ("both lists", every_robot)]:
        table += row(binary, f"robots, {name}, whole list", lines, True)[0]
    last, missed, of = row(binary, "**robots, both lists, never used to choose words**", unseen(every_robot), True)
    table += last
    for name, lines in people.items():
        table += row(binary, f"people, {name}, whole list", lines, False)[0]
    last, taken, of_people = row(binary, "**people, both lists, never used to choose words**", unseen(every_person), False)
    table += last
    today = datetime.datetime.now(datetime.timezone.utc).date()
    text = (
        f"Measured on {today} by `bench/robots.py`, which downloads the lists and updates this part. The lists are the test files of Device Detector (the\n"
        f"Python package `device-detector` {LISTS['device-detector']}) and of isbot {ISBOT[1].removeprefix('v')}. **Of the bots that were not used to choose words, {missed} of {of}\n"
        f"are missed. Of the people that were not used to choose words, {taken} of {of_people:,} are taken for bots.** Only user agents of people that\n"
        f"begin with `Mozilla/` or `Opera/` are included.\n\n{table}"
    )
    page = DOCS.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    DOCS.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1], encoding="utf-8")
    print(table)


if __name__ == "__main__":
    sys.exit(main())
