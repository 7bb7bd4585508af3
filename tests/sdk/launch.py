"""Runs every SDK suite against a gateway of its own, with the provider simulator upstream.

Each suite gets a fresh `lmhaven simulate` and `lmhaven serve`, so that a fault which one suite scripts cannot cool down
an account that another one is using. Nothing here knows an SDK; the suites know nothing of processes.

    python3 tests/sdk/launch.py                    # all suites
    python3 tests/sdk/launch.py python-current     # those whose name contains the text
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request

from environments import HOME, NODE, PYTHON, ROOT, python_of

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(os.environ.get("LMHAVEN_BINARY", ROOT / "target" / "debug" / "lmhaven"))
ADMIN_TOKEN = "sdk-tests-admin-token-0123456789abcdef"
SUITES_AT_ONCE = 3
START_SECONDS = 30
STOP_SECONDS = 20
SUITE_SECONDS = 600

GPT_SIM = {
    "id": "gpt-sim",
    "modality": "text",
    "provider": "openai",
    "ratio": 10,
    "context_window": 400_000,
    "max_output_tokens": 128_000,
    "list_price": {"input": "1.00", "output": "2.00"},
}


def suites() -> dict[str, list[str]]:
    """The command of every suite, by name."""
    found = {}
    for name in PYTHON:
        found[name] = [
            str(python_of(name)),
            "-m",
            "pytest",
            "-q",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            # A test that hangs tells where.
            "-o",
            "faulthandler_timeout=90",
            str(HERE / "python"),
        ]
    for name, packages in NODE.items():
        for family in ("openai", "anthropic"):
            if any(family in package for package in packages):
                found[f"{name}-{family}"] = ["node", "--test", str(HERE / "node" / f"{family}.test.mjs")]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def toml(key: str, value: object) -> str:
    """One line of TOML: texts, numbers and lists of them are written as in JSON."""
    return f"{key} = {json.dumps(value)}\n"


def configuration(simulator: str, public: str, admin: str, store: pathlib.Path) -> str:
    """The shipped models at their shipped prices, and one more, all upstream at the simulator."""
    text = "[server]\n" + toml("listen", public) + toml("public_url", f"http://{public}")
    text += toml("admin_listen", admin) + toml("admin_token", ADMIN_TOKEN) + toml("drain_timeout", "5s")
    text += "[store]\n" + toml("path", str(store))
    kinds = ("anthropic", "gemini", "openai", "ark", "novelai", "pixai", "elevenlabs")
    for kind, path in ((kind, "/v1" if kind == "openai" else "") for kind in kinds):
        text += "[[providers]]\n" + toml("id", kind) + toml("kind", kind)
        text += toml("base_url", simulator + path) + toml("api_keys", [f"upstream-key-{kind}"])
    shipped = tomllib.loads((ROOT / "src" / "config" / "shipped.toml").read_text())["models"]
    for model in [*shipped, GPT_SIM]:
        prices = model["list_price"]
        text += "[[models]]\n" + "".join(toml(key, value) for key, value in model.items() if key != "list_price")
        text += "[models.list_price]\n" + "".join(toml(json.dumps(key), value) for key, value in prices.items())
    return text


def call(method: str, url: str, body: object = None, token: str | None = None) -> object:
    """One JSON exchange; an error status raises with the body in its message."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            raw = response.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {url}: {error.code} {error.read().decode()}") from error
    return json.loads(raw) if raw.strip() else None


def wait_until_it_answers(process: subprocess.Popen, url: str, log: pathlib.Path) -> None:
    """Polls until the address answers 200. A process that ended, or the deadline, fails with its log."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
            if response.status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            state = "still running" if process.poll() is None else f"exit code {process.returncode}"
            raise RuntimeError(f"{url} does not answer ({state}):\n{log.read_text()[-4000:]}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: list[str], ready_url: str, log: pathlib.Path):
    """A process for the length of the block; stopped by SIGTERM, and killed where it does not obey."""
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        wait_until_it_answers(process, ready_url, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def customer(admin: str) -> str:
    """The key of a verified workspace with money and room for a whole suite."""
    body = {"name": "SDK tests", "owner_email": "sdk@example.com", "email_verified": True}
    workspace = f"{admin}/admin/v1/workspaces/" + call("POST", f"{admin}/admin/v1/workspaces", body, ADMIN_TOKEN)["id"]
    credit = {"amount_usd": "100.00", "reason": "SDK tests", "idempotency_key": "sdk-tests"}
    call("POST", f"{workspace}/credits", credit, ADMIN_TOKEN)
    call("PATCH", workspace, {"requests_per_minute": 1_000_000, "concurrent_streams": 1_000}, ADMIN_TOKEN)
    return call("POST", f"{workspace}/keys", {"name": "suite"}, ADMIN_TOKEN)["secret"]


def environment(name: str, url: str, admin: str, simulator: str, key: str) -> dict[str, str]:
    """The suite's environment: ours, without anything that would configure an SDK behind its back."""
    foreign = ("OPENAI_", "ANTHROPIC_", "LMHAVEN_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    return kept | {
        "LMHAVEN_URL": url,
        "LMHAVEN_KEY": key,
        "LMHAVEN_ADMIN_URL": admin,
        "LMHAVEN_ADMIN_TOKEN": ADMIN_TOKEN,
        "LMHAVEN_SIMULATOR": simulator,
        # Where the Node suites find their packages; Python's interpreter knows its own.
        "LMHAVEN_SDK_HOME": str(HOME / name.removesuffix("-openai").removesuffix("-anthropic")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
        # Room for the reason in pytest's summary of failures.
        "COLUMNS": "240",
    }


def run_suite(name: str, command: list[str]) -> tuple[int, str]:
    """The suite's exit code, and what there is to show. A gateway that cannot start or stop is a failure too."""
    with tempfile.TemporaryDirectory(prefix="lmhaven-sdk-") as folder:
        home = pathlib.Path(folder)
        simulator, public, admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
        config = home / "lmhaven.toml"
        config.write_text(configuration(f"http://{simulator}", public, admin, home / "store"))
        simulate = [str(BINARY), "simulate", "--listen", simulator]
        serve = [str(BINARY), "serve", "-c", str(config)]
        gateway_log = home / "gateway.log"
        try:
            with (
                running(simulate, f"http://{simulator}/__stats", home / "simulator.log"),
                running(serve, f"http://{admin}/readyz", gateway_log) as gateway,
            ):
                settings = environment(
                    name, f"http://{public}", f"http://{admin}", f"http://{simulator}", customer(f"http://{admin}")
                )
                suite = subprocess.run(
                    command,
                    env=settings,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=SUITE_SECONDS,
                    check=False,
                )
            if suite.returncode != 0:
                return suite.returncode, f"{suite.stdout}\nthe gateway's last lines:\n{gateway_log.read_text()[-3000:]}"
            if gateway.returncode != 0:
                return (
                    1,
                    f"{suite.stdout}\nthe gateway ended with {gateway.returncode}:\n{gateway_log.read_text()[-3000:]}",
                )
            return 0, suite.stdout
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            return 1, f"{name}: {error}\n{getattr(error, 'stdout', None) or ''}"


def main() -> int:
    wanted = {name: command for name, command in suites().items() if all(part in name for part in sys.argv[1:])}
    if not wanted:
        print(f"no suite is called {' '.join(sys.argv[1:])}; there are {', '.join(suites())}")
        return 2
    failed = []
    with concurrent.futures.ThreadPoolExecutor(SUITES_AT_ONCE) as pool:
        runs = {pool.submit(run_suite, name, command): name for name, command in wanted.items()}
        for run in concurrent.futures.as_completed(runs):
            code, output = run.result()
            print(f"\n-- {runs[run]}\n{output}", flush=True)
            if code != 0:
                failed.append(runs[run])
    print(f"SDK suites failed: {', '.join(sorted(failed))}" if failed else f"all {len(wanted)} SDK suites passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
