"""Runs one emulator until standard input is closed.

The end of the test process closes standard input, even if it is killed. Then the emulator and all function processes that it
started are killed, and its directory is removed. Prints "ready PORT PID LOG" once, or an error.
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

# A signal to the whole process group also reaches the test process. Only the end of the test process ends this script.
# The signals are caught and not ignored, because the emulator would inherit ignored signals.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)

KIND, ACCOUNT, REGION, CONCURRENCY, TIMEOUT_S = *sys.argv[1:5], float(sys.argv[5])

# Reserves the port without listening: no other program gets it, but the emulator can bind it, because it reuses addresses.
reserved = socket.socket()
reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
reserved.bind(("127.0.0.1", 0))
port = reserved.getsockname()[1]

home = tempfile.mkdtemp(prefix=f"hitctl-{KIND}-")
log = os.path.join(home, "log")
# The environment contains nothing of the user: no credentials, no endpoint, no proxy.
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


def fail(reason):
    with open(log, errors="replace") as output:
        print(f"{KIND} {reason}; its output:\n{output.read()[-8000:]}", flush=True)
    end(1)


direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
started = time.monotonic()
while True:
    try:
        direct.open(f"http://127.0.0.1:{port}{health}", timeout=5).read()
        break
    except OSError as error:
        if emulator.poll() is not None:
            fail(f"exited with status {emulator.returncode} before it responded")
        if time.monotonic() - started > TIMEOUT_S:
            fail(f"did not respond within {TIMEOUT_S:.0f} s ({error})")
        if select.select([0], [], [], 0.02)[0] and not os.read(0, 4096):
            end(0)
print(f"ready {port} {emulator.pid} {log}", flush=True)
while os.read(0, 4096):
    pass
end(0)
