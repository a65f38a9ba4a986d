#!/usr/bin/env python3
"""Compares the cold start of hitctl's function with usual functions, in Rust with the AWS SDK and in Python with boto3. One run
measures all of them in turn, with the same event, table and CPU share.

  bench/cold.py                  builds, measures, prints, and writes bench/COLDSTART.md and bench/coldstart.json
  bench/cold.py --quick          fewer runs and sizes, writes nothing
  bench/cold.py --hitctl PATH    uses an existing hitctl
  bench/cold.py --compare A=PATH B=PATH ..   only compares programs with each other (the steps on the page); writes nothing

A cgroup sets the CPU share of a memory size, which requires root. Without it, only the row without a limit is measured, and the
page says so. Counting instructions requires valgrind. All programs run on this machine and not on AWS, which gives a function
more CPU while it starts. The figures only compare the programs with each other.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import zipfile

import coldstart
import common
from common import run, say

SIZES = [0, 1769, 512, 128]
SDK = common.BENCH / "peers" / "sdk"
MAKE_TABLES = """
import sys, boto3
client = boto3.client("dynamodb", endpoint_url=sys.argv[1])
for table, keys in ("cold", ["path"]), ("cold-seen", ["id"]):
    client.create_table(TableName=table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ["HASH", "RANGE"])],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys])
"""
KEYS = ("init_ms", "first_answer_ms", "warm_per_s", "peak_rss_kib", "cpu_ms")


class Program:
    """A program to measure: its command, its environment in addition to Lambda's, and its results by memory size."""

    def __init__(self, name, command, invocations, size=None, **extra):
        self.name, self.command, self.invocations, self.zip_bytes = name, [str(part) for part in command], invocations, size
        self.env = {**common.CREDENTIALS, "PATH": "/usr/bin:/bin", "HITS_TABLE_NAME": "cold", "LOG_LEVEL": "WARN", **extra}
        self.runs, self.instructions = {}, None

    def once(self, memory, tasks, invocations=None):
        return coldstart.measure(self.command, EVENT, invocations or self.invocations, tasks, 120, self.env)

    def figures(self, memory):
        of = lambda key, pick: round(pick(each[key] for each in self.runs[memory]), 2)
        medians = {key: of(key, statistics.median) for key in KEYS}
        return {**medians, "first_answer_min_ms": of("first_answer_ms", min), "first_answer_max_ms": of("first_answer_ms", max)}


EVENT = json.dumps(coldstart.EVENT).encode()


def take_turns(programs, sizes, runs):
    """Measures all programs at all sizes; each turn starts every program once per size. Returns whether the CPU share could be set."""
    tasks = {size: coldstart.quota(size) if size else None for size in sizes}
    for program in programs:
        say(f"{program.name}: its instructions ...")
        program.once(0, None, 1)  # not counted: the first start reads the files from disk
        program.instructions = coldstart.instructions(program.command, EVENT, 900, program.env)
    for turn in range(runs):
        say(f"turn {turn + 1} of {runs} ...")
        for size in sizes:
            for program in programs:
                program.runs.setdefault(size, []).append(program.once(size, tasks[size]))
    return all(tasks[size] for size in sizes if size)


def bootstrap(hitctl, home):
    """Extracts the function from the zip that `hitctl build` creates. Returns its path and the size of the zip in bytes."""
    built = json.loads(run([hitctl, "--env", "local", "--json", "build"], cwd=home, timeout=3600))
    with zipfile.ZipFile(built["zip"]) as package:
        package.extract("bootstrap", home)
    (home / "bootstrap").chmod(0o755)
    return home / "bootstrap", built["bytes"]


def peer():
    """Builds the function with the SDK as `cargo lambda build --release` does. Returns its path and its size as a zip, in bytes."""
    say("building the function with the SDK (release) ...")
    place = common.target_dir() / "bench-sdk"
    run(["cargo", "build", "--release", "--locked", "--target-dir", place], cwd=SDK, timeout=3600)
    return place / "release" / "bootstrap", zipped(place / "release" / "bootstrap")


def zipped(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        package.write(path, "bootstrap")
    return buffer.tell()


@contextlib.contextmanager
def tls(binaries, endpoint, home):
    """Starts a TLS proxy in front of the table. Yields its URL and the path of its root certificate."""
    root = home / "root.pem"
    command = [binaries / "python", common.BENCH / "tlsproxy.py", endpoint.rsplit(":", 1)[1].strip("/"), root]
    with common.process(command, stdout=subprocess.PIPE, text=True) as child:
        yield f"https://127.0.0.1:{int(child.stdout.readline())}", root


def instructions(count):
    return "not counted" if count is None else f"{count / 1e6:,.2f} M"


def over(f, base):
    """Formats how many times sooner the first answer is than that of `base`."""
    return f"{base['first_answer_ms'] / f['first_answer_ms']:,.1f}x"


def at_size(groups, size):
    """Formats a table with one row per program. The programs of a group use the same kind of connection, and are compared with the
    Python program and the plain SDK of their group, which are its first two programs."""
    rows = []
    for programs in groups:
        python, sdk = (program.figures(size) for program in programs[:2])
        for place, program in enumerate(programs):
            f = program.figures(size)
            rows.append([program.name, f"{f['first_answer_ms']:,.1f} ms", f"{f['first_answer_min_ms']:,.1f} to {f['first_answer_max_ms']:,.1f}",
                         over(f, python) if place > 0 else "", over(f, sdk) if place > 1 else "", f"{f['init_ms']:,.1f} ms", f"{f['warm_per_s']:,.0f}/s"])
    return common.table(["program", "first response", "min to max, ms", "faster than Python", "faster than the SDK", "init", "warm"], rows)


def whatever_the_share(groups, size):
    """Formats a table of the figures that hardly depend on the CPU share."""
    rows = [[program.name, f"{program.figures(size)['peak_rss_kib'] / 1024:,.1f} MiB", f"{program.zip_bytes:,}" if program.zip_bytes else "",
             instructions(program.instructions)] for programs in groups for program in programs]
    return common.table(["program", "peak memory", "zip, bytes", "instructions"], rows)


def judge(ours, sdk, python, size):
    """Returns the goals as (name, goal, result, whether the goal is met)."""
    us, rust, boto = (program.figures(size) for program in (ours, sdk, python))
    sooner = lambda them: them["first_answer_ms"] / us["first_answer_ms"]
    goals = [("first response, faster than Python by", "100x or more", f"{sooner(boto):,.0f}x", sooner(boto) >= 100),
             ("first response, faster than the plain SDK by", "2x or more", f"{sooner(rust):.1f}x", sooner(rust) >= 2),
             ("zip", "1,000,000 bytes or less", f"{ours.zip_bytes:,}", ours.zip_bytes <= 1_000_000),
             ("peak memory", "6 MiB or less", f"{us['peak_rss_kib'] / 1024:.1f} MiB", us["peak_rss_kib"] <= 6 * 1024),
             ("warm, faster than the plain SDK by", "1.5x or more", f"{us['warm_per_s'] / rust['warm_per_s']:.1f}x", us["warm_per_s"] >= 1.5 * rust["warm_per_s"])]
    if ours.instructions and sdk.instructions:
        part = ours.instructions / sdk.instructions
        goals.insert(4, ("instructions, compared with the plain SDK", "a third or less", f"{part:.1%}", part <= 1 / 3))
    return goals


def compare(pairs, quick, venv):
    """Compares programs with each other on a plain table of a local cloud. Only the first answer is measured with a CPU share."""
    with common.interruptible(), common.scratch() as home:
        (home / "hitctl.toml").write_text('app = "cold"\n')
        named = dict(pair.split("=", 1) for pair in pairs)
        hitctl = named.pop("hitctl")
        with common.local_cloud(hitctl, home) as cloud:
            run([venv / "python", "-c", MAKE_TABLES, cloud["table"]], env={**common.CREDENTIALS})
            programs = [Program(name, [path], 1, zipped(path), DYNAMODB_ENDPOINT=cloud["table"]) for name, path in named.items()]
            take_turns(programs, [128, 0], 5 if quick else 41)
    rows = [[program.name, f"{program.instructions:,}" if program.instructions else "", f"{program.figures(0)['cpu_ms']:.2f} ms", f"{program.figures(128)['first_answer_ms']:.1f} ms",
             f"{pathlib.Path(program.command[0]).stat().st_size:,}", f"{program.zip_bytes:,}"] for program in programs]
    print(common.table(["program", "instructions", "CPU", "first response, 128 MB", "bytes", "zip, bytes"], rows))


def kept():
    """Returns the manually written part of the page, from the heading `Steps` to the end."""
    page = common.BENCH / "COLDSTART.md"
    text = page.read_text() if page.exists() else ""
    return text[text.index("## Steps"):] if "## Steps" in text else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs and sizes; writes nothing")
    parser.add_argument("--venv", help="use (and complete) this virtual environment")
    parser.add_argument("--hitctl", type=pathlib.Path, help="this hitctl, instead of one built now")
    parser.add_argument("--compare", nargs="+", metavar="NAME=PATH", help="only compare these; one NAME is hitctl, which serves the table")
    args = parser.parse_args()
    if args.compare:
        compare(args.compare, args.quick, common.venv(args.venv))
        return
    sizes, runs = ([128], 3) if args.quick else (SIZES, 11)
    binaries = common.venv(args.venv)
    rust, rust_size = peer()
    with common.interruptible(), common.scratch() as home:
        (home / "hitctl.toml").write_text('app = "cold"\n')
        hitctl = args.hitctl.resolve() if args.hitctl else common.build()[0]
        function, size = bootstrap(hitctl, home)
        with common.local_cloud(hitctl, home) as cloud, tls(binaries, cloud["table"], home) as (secure, root):
            plain = cloud["table"]
            run([binaries / "python", "-c", MAKE_TABLES, plain], env={**common.CREDENTIALS})
            python = Program("Python 3.11 + boto3", [binaries / "python", "-m", "awslambdaric", "app.handler"], 40, AWS_ENDPOINT_URL_DYNAMODB=plain,
                             PYTHONPATH=str(common.BENCH / "peers" / "python"), PYTHONDONTWRITEBYTECODE="1")
            sdk = Program("plain SDK", [rust], 200, rust_size, AWS_ENDPOINT_URL_DYNAMODB=plain)
            ours = Program("hitctl without visitors", [function], 200, size, DYNAMODB_ENDPOINT=plain)
            python_tls = Program("Python 3.11 + boto3, over TLS", python.command, 40, AWS_ENDPOINT_URL_DYNAMODB=secure, AWS_CA_BUNDLE=str(root),
                                 PYTHONPATH=str(common.BENCH / "peers" / "python"), PYTHONDONTWRITEBYTECODE="1")
            sdk_tls = Program("plain SDK, over TLS", [rust], 200, AWS_ENDPOINT_URL_DYNAMODB=secure, SSL_CERT_FILE=str(root))
            ours_tls = Program("hitctl without visitors, over TLS", [function], 200, DYNAMODB_ENDPOINT=secure, AWS_CA_BUNDLE=str(root))
            seen = {"HITS_SEEN_TABLE_NAME": "cold-seen", "HITCTL_VISITORS": "hash"}
            visitors = Program("hitctl, defaults", [function], 200, DYNAMODB_ENDPOINT=plain, **seen)
            visitors_tls = Program("**hitctl, defaults, over TLS**", [function], 200, DYNAMODB_ENDPOINT=secure, AWS_CA_BUNDLE=str(root), **seen)
            groups = [[python_tls, sdk_tls, visitors_tls, ours_tls], [python, sdk, visitors, ours]]
            programs = [program for group in groups for program in group]
            limited = take_turns(programs, sizes, runs)
    smallest = min(filter(None, sizes))
    goals = judge(ours, sdk, python, smallest)
    titles = {0: "Without a limit on the CPU (AWS gives a function more than its share while it starts):"}
    shown = []
    for size in sizes:
        shown += [titles.get(size, f"At the CPU share of {size:,} MB:"), at_size(groups, size)]
    shown += [f"At the share of {smallest} MB, the start of Python and of the SDK is throttled for its whole duration, so the ratios are larger than without a limit.",
              whatever_the_share(groups, sizes[0]), f"The goals are for the share of {smallest} MB, without TLS and visitors:",
              common.table(["goal", "target", "result", "met"], [[*goal[:3], "yes" if goal[3] else "NO"] for goal in goals])]
    body = "\n\n".join(shown)
    if args.quick:
        print(body)
    else:
        intro = ("This page compares cold starts: the time from the start of the process to its first response to an HTTP API event that adds one to an\n"
                 "item. The programs are hitctl's function; `bench/peers/sdk`, which uses `lambda_runtime`, `aws-config` and `aws-sdk-dynamodb` as in their\n"
                 "documentation, with default features and the profile of `cargo lambda build --release`; and `bench/peers/python/app.py` under\n"
                 "`awslambdaric`. All use a table of the same local cloud, which runs outside of their CPU limit. They are measured in turn; the figures\n"
                 f"are medians of {runs} starts. In the rows with TLS, the same table is behind a TLS server. Its chain of three RSA 2048 certificates ends in a\n"
                 "root that is created for the run. The programs find this root by `AWS_CA_BUNDLE` or, for the SDK, `SSL_CERT_FILE`. With its defaults,\n"
                 "hitctl also counts visitors, which the others do not: it loads the day's salt during init, and writes to the table of visitors before it\n"
                 "counts the hit. Instructions are counted by valgrind from exec to the first response. During init, AWS gives a function more CPU than its\n"
                 "share. Compare the figures with each other; they do not predict times on AWS.")
        load = os.getloadavg()[1]
        if load > os.cpu_count():
            intro += f"\n\nThe machine was busy with other work, at a load of {load:.0f} on {os.cpu_count()} cores: all times include waiting for a core."
        if args.hitctl and "debug" in args.hitctl.parts:
            intro += "\n\nThe table is in a debug build of hitctl, which is slower than usual, equally for all programs. The function is built as usual."
        if not limited:
            intro += "\n\n**No CPU share could be set, because this requires root. The goals were not checked.**"
        figures = {program.name.strip("*"): {"zip_bytes": program.zip_bytes, "instructions": program.instructions,
                                             "sizes": {size: program.figures(size) for size in sizes}} for program in programs}
        steps = kept()
        common.publish("COLDSTART", "Cold start, measured", "bench/cold.py", intro, body, common.machine(), figures)
        if steps:
            with open(common.BENCH / "COLDSTART.md", "a") as page:
                page.write(f"\n{steps}")
    missed = [f"{what}: {found}, wanted {wanted}" for what, wanted, found, met in goals if not met]
    if limited and missed:
        sys.exit("bench: goals missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
