"""Runs one emulator for as long as its own standard input is open, and not a moment longer.

A test process that ends, in whatever way, closes the pipe; then the emulator is killed, with every function process that it
started, and its directory is removed. Says "ready PORT" on standard output, once, or what went wrong.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

# Whoever sends these to all of us sends them to the test process too, whose end is what counts. Not ignored, but caught: the
# emulator shall not inherit it.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)

KIND, ACCOUNT, REGION, CONCURRENCY, PATIENCE_S = *sys.argv[1:5], float(sys.argv[5])

# Bound and never listened to: nobody else is given the port meanwhile, and the emulator, which reuses addresses, still can.
reserved = socket.socket()
reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
reserved.bind(("127.0.0.1", 0))
port = reserved.getsockname()[1]

home = tempfile.mkdtemp(prefix=f"hitctl-{KIND}-")
log = os.path.join(home, "log")
# Nothing of the user's: no credentials, no endpoint, no proxy.
env = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": home,
    "TMPDIR": home,
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}
if KIND == "ministack":
    command, health = ["-m", "ministack"], "/_ministack/ready"
    env |= {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_ACCOUNT_CONCURRENCY": CONCURRENCY,
        "LOG_LEVEL": "WARNING",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "0",
        "SFTP_ENABLED": "0",
        "S3_DATA_DIR": os.path.join(home, "s3"),
        "STATE_DIR": os.path.join(home, "state"),
    }
else:
    command, health = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], "/moto-api/data.json"
    env |= {"MOTO_ACCOUNT_ID": ACCOUNT, "MOTO_PORT": str(port), "MOTO_DOCKER_LAMBDA": "0"}

emulator = subprocess.Popen(
    [sys.executable, *command],
    env=env,
    cwd=home,
    stdin=subprocess.DEVNULL,
    stdout=open(log, "wb"),
    stderr=subprocess.STDOUT,
    start_new_session=True,
)


def end(status):
    try:
        os.killpg(emulator.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    emulator.wait()
    shutil.rmtree(home, ignore_errors=True)
    os._exit(status)


def fail(why):
    with open(log, errors="replace") as said:
        print(f"{KIND} {why}; it said:\n{said.read()[-8000:]}", flush=True)
    end(1)


direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
begun = time.monotonic()
while True:
    try:
        direct.open(f"http://127.0.0.1:{port}{health}", timeout=5).read()
        break
    except OSError as error:
        if emulator.poll() is not None:
            fail(f"ended with status {emulator.returncode} before it answered")
        if time.monotonic() - begun > PATIENCE_S:
            fail(f"did not answer within {PATIENCE_S:.0f} s ({error})")
        if select.select([0], [], [], 0.02)[0] and not os.read(0, 4096):
            end(0)
print(f"ready {port} {emulator.pid} {log}", flush=True)
while os.read(0, 4096):
    pass
end(0)
