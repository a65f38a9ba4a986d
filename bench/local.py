#!/usr/bin/env python3
"""Compares the local cloud with MiniStack. One run measures the same work in both: gateway -> function -> table, with the same
function zip.

  bench/local.py                 builds, measures, prints, and writes bench/LOCAL.md and bench/local.json
  bench/local.py --quick         a tenth of the requests, writes nothing
  bench/local.py --compare load=PATH zip=PATH A=PATH B=PATH ..   only compares builds of hitctl, in turns, with one function zip and one load
                                 generator (`cargo build --release -p hitctl-bench`); writes nothing

All requests stay on loopback, and all processes end before the script ends, also after Ctrl-C.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import common
from common import milliseconds, run, say

CONFIG = """\
app = "bench"
default_env = "local"

[function]
reserved_concurrency = "none"

[http]
rate_per_second = 1_000_000
burst = 1_000_000

[counter]  # every hit is one write, as in the other system
paths = "open"
visitors = "none"
bots = "count"
repeat_window_s = 0
"""
# Creates the resources in MiniStack with boto3, as a user of the emulator would. Prints the path of the URL and the duration.
SETUP = """
import json, sys, time, boto3
port, zip_file = sys.argv[1:]
aws = lambda name: boto3.client(name, endpoint_url=f"http://127.0.0.1:{port}")
table, iam, function, api = aws("dynamodb"), aws("iam"), aws("lambda"), aws("apigatewayv2")
began = time.perf_counter()
table.create_table(TableName="bench", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "path", "KeyType": "HASH"}],
                   AttributeDefinitions=[{"AttributeName": "path", "AttributeType": "S"}])
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
variables = {"DYNAMODB_ENDPOINT": f"http://127.0.0.1:{port}", "HITS_TABLE_NAME": "bench", "LOG_LEVEL": "INFO"}
arn = function.create_function(FunctionName="bench", Runtime="provided.al2023", Handler="bootstrap", Role=role, Timeout=10, MemorySize=128,
                               Code={"ZipFile": open(zip_file, "rb").read()}, Environment={"Variables": variables})["FunctionArn"]
while function.get_function_configuration(FunctionName="bench")["State"] != "Active":
    time.sleep(0.02)
id = api.create_api(Name="bench", ProtocolType="HTTP")["ApiId"]
target = api.create_integration(ApiId=id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0")["IntegrationId"]
for key in ("GET /counter", "HEAD /counter", "GET /v1/count", "GET /healthz"):
    api.create_route(ApiId=id, RouteKey=key, Target=f"integrations/{target}")
api.create_stage(ApiId=id, StageName="$default", AutoDeploy=True)
function.add_permission(FunctionName="bench", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                        SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{id}/*/*")
print(json.dumps({"path": f"/_aws/execute-api/{id}/$default", "created_ms": 1000 * (time.perf_counter() - began)}))
"""
COUNT = """
import sys, boto3
item = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}").get_item(TableName="bench", Key={"path": {"S": "/"}}, ConsistentRead=True)
print(item["Item"]["hits"]["N"])
"""


def load(program, url, concurrency, requests):
    """Runs the load generator and returns its report. Reports failed requests, which stay in the figures."""
    done = subprocess.run([program, "--json", "--url", url, "--concurrency", str(concurrency), "--requests", str(requests), "--seconds", "300"],
                          stdout=subprocess.PIPE, text=True, timeout=400, check=False)
    if not done.stdout:
        sys.exit(f"bench: the load generator ended with {done.returncode}")
    report = json.loads(done.stdout)
    if report["errors"] or set(report["statuses"]) - {"200"}:
        say(f"  not all were hits: {report['statuses']} {report['errors']}")
    return report


def loads(program, url, requests):
    """Runs a warm-up, then the two loads of the comparison, with 32 and with 4 requests at once."""
    reports = [load(program, url, 32, max(100, requests // 10)), load(program, url, 32, requests), load(program, url, 4, max(200, requests // 5))]
    _, wide, narrow = reports
    return {"hits_per_s": wide["hits_per_s"], "p50_at_32_ms": wide["p50_ms"], "p99_at_32_ms": wide["p99_ms"],
            "p50_at_4_ms": narrow["p50_ms"], "p99_at_4_ms": narrow["p99_ms"],
            "answered": sum(report["statuses"].get("200", 0) for report in reports), "loads": reports}


def ours(hitctl, program, home, runs, requests):
    """Measures hitctl. Returns the figures and the zip that it built."""
    (home / "hitctl.toml").write_text(CONFIG)

    def command(*args):
        return [hitctl, "--env", "local", "--json", *args]

    def ask(*args):
        return json.loads(run(command(*args), cwd=home))

    say("hitctl: build ...")
    figures, built = {}, ask("build")
    say("hitctl: start ...")
    ready = []
    for _ in range(runs):
        began = time.perf_counter()
        with common.local_cloud(hitctl, home) as cloud:
            # The time includes two commands: `local start`, which returns when the cloud responds, and `local status`.
            ready.append(1000 * (time.perf_counter() - began))
            time.sleep(1)
            figures["idle_rss_mib"] = common.rss_mib(cloud["pid"])
    figures["ready_ms"] = statistics.median(ready)
    with common.local_cloud(hitctl, home) as cloud:
        say("hitctl: deploy ...")
        began = time.perf_counter()
        deployed = ask("deploy", "--yes")
        figures["created_ms"] = 1000 * (time.perf_counter() - began)
        figures["deploy_no_change_ms"] = milliseconds(command("deploy", "--yes"), runs, cwd=home)
        figures["deploy_no_change"] = ask("deploy", "--yes")["summary"]
        say("hitctl: hits ...")
        figures |= loads(program, deployed["outputs"]["url"] + "/counter?path=/", requests)
        figures["exact"] = ask("counts", "get", "/")["counts"][0]["hits"] == figures["answered"]
        figures["loaded_rss_mib"] = common.rss_mib(cloud["pid"])
    figures["help_ms"] = milliseconds([hitctl, "--help"], 5 * runs)
    figures["installed_mib"] = common.size_mib(hitctl)
    figures["zip_bytes"] = built["bytes"]
    return figures, built["zip"]


def peer(binaries, program, home, runs, requests, zip_file):
    """Measures MiniStack with the same zip and the same kind of load."""
    figures, ready = {}, []
    say("MiniStack: start ...")
    for _ in range(runs):
        with common.ministack(binaries, home) as server:
            ready.append(server.ready_ms)
            time.sleep(1)
            figures["idle_rss_mib"] = common.rss_mib(server.pid)
    figures["ready_ms"] = statistics.median(ready)
    with common.ministack(binaries, home) as server:
        say("MiniStack: create ...")
        created = json.loads(run([binaries / "python", "-c", SETUP, server.port, zip_file], env=server.env))
        figures["created_ms"] = created["created_ms"]
        say("MiniStack: hits ...")
        figures |= loads(program, f"http://127.0.0.1:{server.port}{created['path']}/counter?path=/", requests)
        figures["exact"] = int(run([binaries / "python", "-c", COUNT, server.port], env=server.env)) == figures["answered"]
        figures["loaded_rss_mib"] = common.rss_mib(server.pid)
    figures["installed_mib"] = common.size_mib(binaries.parent)
    return figures


# The rows of the table: key, name, unit, number of decimals, the text of the goal, and a function that checks it.
ROWS = [
    ("ready_ms", "time until ready", "ms", 0, "at most 100", lambda us: us <= 100),
    ("idle_rss_mib", "memory, idle", "MiB", 1, "below 25", lambda us: us < 25),
    ("loaded_rss_mib", "memory, after the hits", "MiB", 1, "", None),
    ("created_ms", "creation of all resources", "ms", 0, "", None),
    ("hits_per_s", "hits, 32 concurrent", "/s", 0, "at least 2,500", lambda us: us >= 2500),
    ("p50_at_32_ms", "median latency, 32 concurrent", "ms", 2, "", None),
    ("p99_at_32_ms", "99th percentile, 32 concurrent", "ms", 2, "", None),
    ("p50_at_4_ms", "median latency, 4 concurrent", "ms", 2, "under 5", lambda us: us < 5),
    ("p99_at_4_ms", "99th percentile, 4 concurrent", "ms", 2, "", None),
    ("exact", "every acknowledged hit is counted", "", 0, "yes", lambda us: us),
    ("installed_mib", "installed size", "MiB", 1, "under 40 MB", lambda us: us * 1.048576 < 40),
    ("deploy_no_change_ms", "`deploy` without changes", "ms", 0, "under 300", lambda us: us < 300),
    ("help_ms", "`hitctl --help`", "ms", 1, "under 20", lambda us: us < 20),
]


def compare(us, them):
    """Returns the table and the missed goals."""
    rows, missed = [], []
    for key, words, unit, digits, goal, met in ROWS:
        mine, other = us[key], them.get(key)

        def show(value):
            return "-" if value is None else ("yes" if value else "NO") if isinstance(value, bool) else f"{value:,.{digits}f} {unit}"

        more_is_better = unit == "/s"
        ratio = "" if other is None or isinstance(mine, bool) else f"{(mine / other if more_is_better else other / mine):,.1f}x"
        verdict = "" if met is None else f"{goal}: {'met' if met(mine) else 'MISSED'}"
        if met is not None and not met(mine):
            missed.append(f"{words}: {show(mine)}, wanted {goal}")
        rows.append([words, show(mine), show(other), ratio, verdict])
    head = ["", "hitctl", f"MiniStack {common.PEERS['ministack']}", "ratio", "goal"]
    return common.table(head, rows), missed


def take_turns(pairs, rounds, requests):
    """Compares builds of hitctl: hits per second with 32 requests at once, and the size of the program. Every round reverses the order."""
    named = dict(pair.split("=", 1) for pair in pairs)
    program, zip_file = named.pop("load"), named.pop("zip")
    rates = {name: [] for name in named}
    with common.interruptible(), common.scratch() as scratch:
        for turn in range(rounds):
            for name in sorted(named, reverse=turn % 2 == 1):
                home = scratch / f"{name}-{turn}"
                home.mkdir()
                (home / "hitctl.toml").write_text(CONFIG)
                with common.local_cloud(named[name], home):
                    deployed = json.loads(run([named[name], "--env", "local", "--json", "deploy", "--yes", "--artifact", zip_file], cwd=home))
                    url = deployed["outputs"]["url"] + "/counter?path=/"
                    load(program, url, 32, requests // 10)
                    rates[name].append(load(program, url, 32, requests)["hits_per_s"])
                say(f"  {name}: {rates[name][-1]:,.0f}/s")
    first = statistics.median(rates[next(iter(named))])
    rows = [[name, f"{statistics.median(found):,.0f}/s", f"{min(found):,.0f} to {max(found):,.0f}", f"{statistics.median(found) / first:.3f}",
             f"{pathlib.Path(named[name]).stat().st_size:,}"] for name, found in rates.items()]
    print(common.table(["build", "hits, 32 concurrent", "min to max", "to the first", "program, bytes"], rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests; writes nothing")
    parser.add_argument("--venv", help="use (and complete) this virtual environment")
    parser.add_argument("--compare", nargs="+", metavar="NAME=PATH", help="only compare these builds; writes nothing")
    args = parser.parse_args()
    if args.compare:
        take_turns(args.compare, 4 if args.quick else 12, 4000 if args.quick else 10_000)
        return
    requests, peer_requests, runs = (1000, 200, 3) if args.quick else (10_000, 2000, 7)
    binaries = common.venv(args.venv)
    hitctl, program = common.build()
    with common.interruptible(), common.scratch() as home:
        us, zip_file = ours(hitctl, program, home, runs, requests)
        them = peer(binaries, program, home, runs, peer_requests, zip_file)
    shown, missed = compare(us, them)
    if args.quick:
        print(shown)
    else:
        intro = ("This page compares hitctl's local cloud with the emulator MiniStack, measured one after the other in one run on the same machine. Both\n"
                 "have an HTTP API, the same function zip (`provided.al2023`) and a table. Every hit adds one to the same item: bots and repeated views\n"
                 "count, and visitors are not counted. The load generator runs on the same cores as the measured programs. After a warm-up, hitctl gets\n"
                 f"{requests:,} hits and MiniStack {peer_requests:,}. Both keep the processes of the function warm. hitctl stores its table in a file, which survives a\n"
                 "kill; MiniStack stores it in memory. With 4 concurrent requests, MiniStack spends most of its time waiting: its server sends each\n"
                 "response in two parts, and the second part waits for the acknowledgement of the first (Nagle's algorithm). With 32 concurrent\n"
                 "requests, other requests use this time, so compare the rows with 32.")
        common.publish("LOCAL", "The local cloud, measured", "bench/local.py", intro, shown, common.machine(), {"hitctl": us, "ministack": them})
    if missed:
        sys.exit("bench: goals missed:\n  " + "\n  ".join(missed))


if __name__ == "__main__":
    main()
