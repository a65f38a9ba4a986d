#!/usr/bin/env python3
"""Measures hits through a queue: how fast they are sent and counted, compared with MiniStack, and the number of their writes,
compared with hits that are sent to the function directly.

  bench/queues.py                builds, measures, prints, and writes bench/QUEUES.md and bench/queues.json
  bench/queues.py --quick        a tenth of the messages, writes nothing

All requests stay on loopback, and all processes end before the script ends, also after Ctrl-C.
"""
import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time

import common
from common import run, say

PATHS = 10
BATCH = 25
CONFIG = """\
app = "bench"
default_env = "local"

[function]
reserved_concurrency = "none"
environment = {environment}

[http]
rate_per_second = 1_000_000
burst = 1_000_000

[counter]  # every hit counts, whoever sends it and whenever
paths = "open"
visitors = "none"
bots = "count"
repeat_window_s = 0
exact = {exact}

[queue]
enabled = true
batch_size = {batch}
window_s = 1
max_concurrency = 4
max_receive_count = 10
"""
# Creates the same resources in MiniStack with boto3, as a user of the emulator would. Prints the URLs of the queues.
SETUP = """
import json, sys, time, boto3
port, zip_file, batch = sys.argv[1:]
aws = lambda name: boto3.client(name, endpoint_url=f"http://127.0.0.1:{port}")
table, iam, function, sqs = aws("dynamodb"), aws("iam"), aws("lambda"), aws("sqs")
table.create_table(TableName="bench", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "path", "KeyType": "HASH"}],
                   AttributeDefinitions=[{"AttributeName": "path", "AttributeType": "S"}])
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
variables = {"DYNAMODB_ENDPOINT": f"http://127.0.0.1:{port}", "HITS_TABLE_NAME": "bench", "LOG_LEVEL": "INFO"}
function.create_function(FunctionName="bench", Runtime="provided.al2023", Handler="bootstrap", Role=role, Timeout=10, MemorySize=128,
                         Code={"ZipFile": open(zip_file, "rb").read()}, Environment={"Variables": variables})
while function.get_function_configuration(FunctionName="bench")["State"] != "Active":
    time.sleep(0.02)
url = sqs.create_queue(QueueName="bench", Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
idle = sqs.create_queue(QueueName="idle")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
function.create_event_source_mapping(FunctionName="bench", EventSourceArn=arn, BatchSize=int(batch), MaximumBatchingWindowInSeconds=1,
                                     ScalingConfig={"MaximumConcurrency": 4}, FunctionResponseTypes=["ReportBatchItemFailures"])
print(json.dumps({"queue": url, "idle": idle}))
"""
COUNT = """
import sys, boto3
items = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}").scan(TableName="bench", ConsistentRead=True)["Items"]
print(sum(int(item["hits"]["N"]) for item in items if not item["path"]["S"].startswith("!")))
"""


class Wire:
    """A proxy between a function and its table that counts the writes."""

    def __init__(self, port):
        self.port, self.writes = port, 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.serve, args=(ready,), daemon=True).start()
        ready.wait(10)

    def serve(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.connection, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        self.loop.run_forever()

    async def connection(self, reader, writer):
        there, here = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(self.requests(reader, here), self.answers(there, writer))
        for end in (here, writer):
            end.close()

    async def requests(self, reader, to):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            target = fields.get("x-amz-target", "").rsplit(".", 1)[-1]
            if target in ("updateitem", "putitem", "deleteitem"):
                self.writes += 1
            elif target == "transactwriteitems":
                # The unit of `writes` is a write unit. Each action of a transaction costs two.
                self.writes += 2 * len(json.loads(body)["TransactItems"])
            to.write(head + body)
            await to.drain()

    async def answers(self, reader, to):
        while data := await reader.read(65536):
            to.write(data)
            await to.drain()


def load(program, calls, concurrency, *what):
    """Runs the load generator and returns its report. Ends the benchmark unless every request succeeded."""
    done = subprocess.run([program, "--json", "--concurrency", str(concurrency), "--requests", str(calls), "--seconds", "300", *what],
                          stdout=subprocess.PIPE, text=True, timeout=400, check=False)
    report = json.loads(done.stdout or "{}")
    if not report or report["errors"] or set(report["statuses"]) - {"200"}:
        sys.exit(f"bench: some requests failed: {report}")
    return report


class Ours:
    """hitctl on its local cloud, with one configuration."""

    def __init__(self, hitctl, home):
        self.hitctl, self.home = hitctl, home

    def ask(self, *args):
        return json.loads(run([self.hitctl, "--env", "local", "--json", *args], cwd=self.home))

    def configure(self, exact, through=None):
        environment = f'{{ DYNAMODB_ENDPOINT = "{through}" }}' if through else "{}"
        config = CONFIG.format(environment=environment, exact=str(exact).lower(), batch=BATCH)
        (self.home / "hitctl.toml").write_text(config)

    def deploy(self, exact, through=None):
        self.configure(exact, through)
        self.ask("deploy", "--yes")
        resources = {row["address"]: row["outputs"] for row in self.ask("status")["resources"]}
        return {"queue": resources["queue.hits"]["url"], "idle": resources["queue.dlq"]["url"], "url": resources["http_api.api"]["url"]}

    def total(self):
        return self.ask("status")["hits"]


def through(sends, program, queue, messages, total):
    """Sends `messages` messages and waits until they are counted. Returns both rates per second, and the final count."""
    before, began = total(), time.perf_counter()
    sent = load(program, messages // 10, 1, "--queue", queue, "--paths", str(PATHS))
    common.until(f"the count of {messages} {sends}", lambda: total() - before >= messages, seconds=300, pause=0.02)
    took = time.perf_counter() - began
    return {"sent_per_s": 10 * sent["hits_per_s"], "counted_per_s": messages / took, "counted": total() - before, "messages": messages}


def ours(hitctl, program, home, messages):
    figures, ours = {}, Ours(hitctl, home)
    # The configuration must exist first, because the state of the local cloud belongs to its directory.
    ours.configure(exact=False)
    with common.local_cloud(hitctl, home) as cloud:
        port = int(cloud["table"].rsplit(":", 1)[1])
        for name, exact in (("once", False), ("exact", True)):
            say(f"hitctl: {messages} messages, exact = {str(exact).lower()} ...")
            at = ours.deploy(exact)
            if not exact:
                # No function reads the dead-letter queue, so this measures sending alone.
                figures["idle_sent_per_s"] = 10 * load(program, messages // 10, 1, "--queue", at["idle"])["hits_per_s"]
            figures[name] = through("messages", program, at["queue"], messages, ours.total)
        say("hitctl: writes ...")
        wire, few = Wire(port), max(1000, messages // 10)
        for name, exact in (("once", False), ("exact", True)):
            at = ours.deploy(exact, through=wire.url)
            for way in ("queue", "direct"):
                before, counted = wire.writes, ours.total()
                if way == "queue":
                    through("messages", program, at["queue"], few, ours.total)
                elif name == "once":
                    load(program, few, 4, "--url", at["url"] + "/counter?path=/", "--paths", str(PATHS))
                else:
                    continue
                figures[f"writes_{way}_{name}"] = (wire.writes - before) / (ours.total() - counted)
        say("hitctl: direct ...")
        at = ours.deploy(False)
        figures["direct_per_s"] = load(program, messages // 5, 32, "--url", at["url"] + "/counter?path=/", "--paths", str(PATHS))["hits_per_s"]
        built = ours.ask("build")
    return figures, built["zip"]


def peer(binaries, program, home, messages, zip_file):
    """Measures MiniStack with the same zip and the same kind of messages."""
    with common.ministack(binaries, home) as server:
        say("MiniStack: create ...")
        at = json.loads(run([binaries / "python", "-c", SETUP, server.port, zip_file, BATCH], env=server.env))
        local = {name: f"http://127.0.0.1:{server.port}/" + url.split("/", 3)[3] for name, url in at.items()}

        def total():
            return int(run([binaries / "python", "-c", COUNT, server.port], env=server.env))

        say(f"MiniStack: {messages} messages ...")
        figures = {"idle_sent_per_s": 10 * load(program, messages // 10, 1, "--queue", local["idle"])["hits_per_s"]}
        return figures | through("messages", program, local["queue"], messages, total)


def page(mine, theirs, messages, fewer):
    def ratio(ours, other):
        return f"{ours / other:.1f}x"

    rows = [
        ["messages accepted from one sender, per second", f"{mine['idle_sent_per_s']:,.0f}", f"{theirs['idle_sent_per_s']:,.0f}",
         ratio(mine["idle_sent_per_s"], theirs["idle_sent_per_s"]), verdict(mine["idle_sent_per_s"] >= 10_000, "at least 10,000")],
        ["messages sent and counted, per second", f"{mine['once']['counted_per_s']:,.0f}", f"{theirs['counted_per_s']:,.0f}",
         ratio(mine["once"]["counted_per_s"], theirs["counted_per_s"]), ""],
        ["the same, with `exact = true`", f"{mine['exact']['counted_per_s']:,.0f}", "-", "", ""],
        ["counted messages", exactly(mine["once"]), exactly(theirs), "", verdict(mine["once"]["counted"] == mine["once"]["messages"], "all")],
    ]
    writes = [
        ["directly to the function", f"{mine['writes_direct_once']:.2f}", "-", f"{mine['direct_per_s']:,.0f}", ""],
        ["through the queue", f"{mine['writes_queue_once']:.2f}", ratio(mine["writes_direct_once"], mine["writes_queue_once"]) + " fewer",
         f"{mine['once']['counted_per_s']:,.0f}", verdict(mine["writes_queue_once"] <= 0.4, "at most 0.4")],
        ["through the queue, with `exact = true`", f"{mine['writes_queue_exact']:.2f}", "-", f"{mine['exact']['counted_per_s']:,.0f}", ""],
    ]
    intro = (f"One sender sends hits on {PATHS} paths, ten messages per call, over one connection. A batch has at most {BATCH} messages, and waits at most a second. "
             f"The sender runs on the same cores as the measured programs. hitctl gets {messages:,} messages and MiniStack {fewer:,}, with the same function zip. hitctl "
             "stores its queue and its table in files, which survive a kill; MiniStack stores them in memory.")
    body = (common.table(["", "hitctl", "MiniStack " + common.PEERS["ministack"], "ratio", "goal"], rows)
            + "\n\nThe writes per hit, in write units. A transaction takes two write units for each item:\n\n"
            + common.table(["", "writes per hit", "", "hits per second", "goal"], writes))
    return intro, body


def exactly(figures):
    return f"{figures['counted']:,} of {figures['messages']:,}"


def verdict(met, goal):
    return f"{goal}: {'met' if met else 'MISSED'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages; writes nothing")
    parser.add_argument("--venv", help="a virtual environment with the peers [default: target/bench-venv]")
    args = parser.parse_args()
    messages, fewer = (10_000, 500) if args.quick else (100_000, 5_000)
    with common.interruptible(), common.scratch() as home:
        hitctl, program = common.build()
        binaries = common.venv(args.venv)
        mine, zip_file = ours(hitctl, program, home, messages)
        theirs = peer(binaries, program, home, fewer, zip_file)
    intro, body = page(mine, theirs, messages, fewer)
    if args.quick:
        print(f"{intro}\n\n{body}")
    else:
        facts = common.machine({name: common.PEERS[name] for name in ("ministack", "boto3")})
        common.publish("QUEUES", "Hits through a queue, measured", "bench/queues.py", intro, body, facts, {"hitctl": mine, "ministack": theirs})
    if "MISSED" in body:
        sys.exit(1)


if __name__ == "__main__":
    main()
