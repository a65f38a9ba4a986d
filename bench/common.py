"""Shared code of the benchmarks: builds, the virtual environment of the peers, processes that end with the run, and reports."""
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import types

TOP = pathlib.Path(__file__).resolve().parent.parent
BENCH = TOP / "bench"
# The pinned versions of the peers, which the reports name.
PEERS = {"ministack": "1.5.33", "boto3": "1.43.106", "awslambdaric": "4.2.2", "trustme": "1.2.1"}
# SAM has its own virtual environment, because it needs another version of boto3.
SAM = {"aws-sam-cli": "1.167.0"}
# Dummy credentials for every AWS client of the run. No request leaves this machine.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
               "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
# The state of hitctl's local clouds in this run. It is removed at the end, and the user's own state is not touched.
STATE = tempfile.TemporaryDirectory(prefix="hitctl-bench-state-")
os.environ["XDG_STATE_HOME"] = STATE.name


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, timeout=600, **kwargs):
    """Runs a command and returns its stdout. If the command fails, ends the benchmark with its output."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, text=True, **kwargs)
    if done.returncode:
        sys.exit(f"bench: `{' '.join(map(str, command))}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def milliseconds(command, runs, **kwargs):
    """Returns the median wall time of a command, in ms. A first run is not counted."""
    run(command, **kwargs)
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        run(command, **kwargs)
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def target_dir():
    metadata = json.loads(run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=TOP))
    return pathlib.Path(metadata["target_directory"])


def build():
    """Builds the release binaries. Returns their paths: (hitctl, load)."""
    say("building hitctl and the load generator (release) ...")
    run(["cargo", "build", "--release", "--locked", "-p", "hitctl", "-p", "hitctl-bench"], cwd=TOP, timeout=3600)
    release = target_dir() / "release"
    return release / "hitctl", release / "load"


def venv(given=None, name="bench-venv", packages=PEERS):
    """Creates a virtual environment with the peers under the target directory on first use. Returns its bin directory."""
    home = pathlib.Path(given) if given else target_dir() / name
    want = [f"{package}=={version}" for package, version in packages.items()]
    python = home / "bin" / "python"
    if not python.exists():
        say(f"creating {home} ...")
        run([sys.executable, "-m", "venv", home])
    have = run([python, "-m", "pip", "freeze"]).split()
    if not set(want) <= set(have):
        say(f"installing {', '.join(want)} ...")
        run([python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *want], timeout=1200)
    return home / "bin"


@contextlib.contextmanager
def scratch():
    """A temporary directory in the checkout, so that hitctl builds the function of this checkout."""
    (TOP / "target").mkdir(exist_ok=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=TOP / "target"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def process(command, **kwargs):
    """A process in its own process group. At the end of the block, the whole group is ended."""
    child = subprocess.Popen([str(part) for part in command], start_new_session=True, **kwargs)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def interruptible():
    """Handles SIGTERM like Ctrl-C, so that every enclosing block ends its processes."""
    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, timeout=10):
    """Sends a GET request to a port of this machine. Returns (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until(what, ready, seconds=30, pause=0.002):
    """Calls `ready` until it returns a true value, and returns this value. Ends the benchmark after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := ready():
                return answer
        time.sleep(pause)
    sys.exit(f"bench: {what} was not ready after {seconds} s")


@contextlib.contextmanager
def ministack(binaries, home):
    """A new MiniStack that writes only below `home`. Yields its port, pid and environment, and the time until it was ready."""
    port = free_port()
    temp = home / f"ministack-{port}"
    temp.mkdir()
    env = {"PATH": str(binaries), **CREDENTIALS, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
           "LOG_LEVEL": "ERROR", "TMPDIR": str(temp), "HOME": str(temp)}
    began = time.perf_counter()
    with open(temp / "log", "wb") as log, process([binaries / "ministack"], env=env, stdout=log, stderr=log) as child:
        until("MiniStack", lambda: get(port, "/_ministack/health")[0] == 200)
        yield types.SimpleNamespace(port=port, pid=child.pid, env=env, ready_ms=1000 * (time.perf_counter() - began))


@contextlib.contextmanager
def local_cloud(hitctl, home):
    """hitctl's local cloud for the configuration in `home`. Yields its status."""
    command = [hitctl, "--env", "local", "--json", "local"]
    try:
        run([*command, "start"], cwd=home)
        yield json.loads(run([*command, "status"], cwd=home))
    finally:
        subprocess.run([*command, "stop"], cwd=home, timeout=30, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def rss_mib(pid):
    """Returns the resident memory of one process, in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def size_mib(path):
    path = pathlib.Path(path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return sum(file.stat().st_size for file in files) / (1 << 20)


def machine(peers=PEERS):
    """Describes the machine and the versions of the measurement."""
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=TOP, capture_output=True, text=True)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.group(1)) / (1 << 20), 1),
        "kernel": platform.release(),
        "rustc": run(["rustc", "--version"], cwd=TOP).strip(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or "unknown",
        "peers": peers,
    }


def table(head, rows):
    """Formats a Markdown table with aligned columns."""
    rows = [head, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def publish(name, title, command, intro, body, facts, figures):
    """Writes `bench/NAME.md` and `bench/name.json`, and prints the page."""
    peers = ", ".join(f"{peer} {version}" for peer, version in facts["peers"].items())
    page = (f"# {title}\n\n{intro}\n\n{body}\n\n"
            f"Measured {facts['date']} by `{command}` at commit {facts['commit']}, on {facts['cores']} cores of {facts['cpu']}, "
            f"{facts['memory_gib']} GiB, Linux {facts['kernel']}; {facts['rustc']}; Python {facts['python']}; {peers}.\n")
    (BENCH / f"{name}.md").write_text(page)
    (BENCH / f"{name.lower()}.json").write_text(json.dumps({"machine": facts, "figures": figures}, indent=2) + "\n")
    print(page)
