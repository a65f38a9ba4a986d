#!/usr/bin/env python3
"""Cold start of hitctl's function beside the usual one in Python with boto3, in one run: same event, same table, same CPU share.

  bench/cold.py                  builds, measures, prints, and writes bench/COLDSTART.md and bench/coldstart.json
  bench/cold.py --quick          fewer runs and sizes, writes nothing

The CPU share of a memory size is set by a cgroup, which takes root. Without it only the row without a limit is measured,
and the page says so. Both programs run here, not on AWS, which gives a function more CPU while it starts: the figures
compare the two with each other and predict nothing.
"""
import argparse
import json
import subprocess
import sys
import zipfile

import common
from common import run, say

SIZES = [128, 512, 1769, 0]
GOAL = 50
MAKE_TABLE = """
import sys, boto3
boto3.client("dynamodb", endpoint_url=sys.argv[1]).create_table(TableName="cold", BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "path", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "path", "AttributeType": "S"}])
"""


def measure(command, endpoint, sizes, runs, invocations, **extra):
    """The figures of one program at each size, from the project's own cold start meter."""
    env = {**common.CREDENTIALS, "PATH": "/usr/bin:/bin", "HITS_TABLE_NAME": "cold", "LOG_LEVEL": "WARN", "DYNAMODB_ENDPOINT": endpoint,
           "AWS_ENDPOINT_URL_DYNAMODB": endpoint, **extra}
    meter = [sys.executable, common.BENCH / "coldstart.py", "--json", "--timeout", "120", "--invocations", str(invocations)]
    tries = [*meter, "--memory", str(max(sizes)), "--runs", "1", "--", *command]
    run(tries, env=env)  # not counted: the first start reads the files from disk
    rows = json.loads(run([*meter, "--memory", ",".join(map(str, sizes)), "--runs", str(runs), "--", *command], env=env, timeout=3600))
    return {row["memory_mb"]: row for row in rows}


def bootstrap(hitctl, home):
    """The function exactly as it is deployed: out of the zip that `hitctl build` makes. Returns its path and the zip's bytes."""
    built = json.loads(run([hitctl, "--env", "local", "--json", "build"], cwd=home))
    with zipfile.ZipFile(built["zip"]) as package:
        package.extract("bootstrap", home)
    (home / "bootstrap").chmod(0o755)
    return home / "bootstrap", built["bytes"]


def page(ours, python, sizes):
    """The table, and the ratio of the first answers at the smallest size."""
    rows = []
    for size in sizes:
        us, them = ours[size], python[size]
        name = (f"{size} MB" if us["limited"] else f"{size} MB, NOT limited") if size else "no limit"
        rows.append([name, f"{us['first_answer_ms']:,.1f} ms", f"{them['first_answer_ms']:,.0f} ms",
                     f"{them['first_answer_ms'] / us['first_answer_ms']:,.0f}x", f"{us['init_ms']:,.1f} ms", f"{them['init_ms']:,.0f} ms",
                     f"{us['warm_per_s']:,.0f}/s", f"{them['warm_per_s']:,.0f}/s",
                     f"{us['peak_rss_kib'] / 1024:,.1f} MiB", f"{them['peak_rss_kib'] / 1024:,.1f} MiB"])
    head = ["CPU share of", "first answer", "Python", "sooner by", "init", "Python", "warm", "Python", "peak memory", "Python"]
    smallest = min(filter(None, sizes))
    return common.table(head, rows), python[smallest]["first_answer_ms"] / ours[smallest]["first_answer_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs and sizes; writes nothing")
    parser.add_argument("--venv", help="use (and complete) this virtual environment")
    args = parser.parse_args()
    sizes, runs, invocations = ([128], 3, 20) if args.quick else (SIZES, 7, 200)
    binaries = common.venv(args.venv)
    with common.interruptible(), common.scratch() as home:
        (home / "hitctl.toml").write_text('app = "cold"\n')
        hitctl, _ = common.build()
        function, size = bootstrap(hitctl, home)
        with common.local_cloud(hitctl, home) as cloud:
            endpoint = cloud["table"]
            run([binaries / "python", "-c", MAKE_TABLE, endpoint], env={**common.CREDENTIALS})
            say("hitctl's function ...")
            ours = measure([function], endpoint, sizes, runs, invocations)
            say("Python ...")
            python = measure([binaries / "python", "-m", "awslambdaric", "app.handler"], endpoint, sizes, runs, invocations,
                             PYTHONPATH=str(common.BENCH / "peers" / "python"), PYTHONDONTWRITEBYTECODE="1")
    shown, ratio = page(ours, python, sizes)
    limited = all(row["limited"] for size, row in ours.items() if size)
    if args.quick:
        print(shown)
    else:
        intro = ("From the start of the process to its first answer to an HTTP API event that adds one to an item: hitctl's function and\n"
                 "`bench/peers/python/app.py` under `awslambdaric`, both against the table of one local cloud, which does not share their\n"
                 f"CPU limit. Medians of {runs} starts. The zip of hitctl's function has {size:,} bytes. AWS gives more CPU during\n"
                 "init than the share: compare the two, predict nothing.")
        if not limited:
            intro += "\n\n**No CPU share could be set here (it takes root): the rows say so, and the goal is not judged.**"
        common.publish("COLDSTART", "Cold start, measured", "bench/cold.py", intro, shown, common.machine(), {"hitctl": ours, "python": python, "zip_bytes": size})
    if limited and ratio < GOAL:
        sys.exit(f"bench: goal missed: the first answer at {min(filter(None, sizes))} MB is {ratio:.0f} times sooner, wanted {GOAL}")


if __name__ == "__main__":
    main()
