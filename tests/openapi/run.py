"""Holds a running gateway against its own descriptions: no 5xx, no status and no answer that is not described.

schemathesis makes requests out of `/openapi.json` and `/admin/v1/openapi.json`, good ones and bad ones, with a fixed seed,
so that a failure can be had again. The gateway has the provider simulator upstream, as for the SDK suites, whose way of
starting it is used here. The documents themselves are validated first.

    python3 tests/openapi/run.py                 # both APIs
    python3 tests/openapi/run.py customers       # one of them
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk"))

from environments import SCHEMATHESIS, python_of  # noqa: E402
from launch import ADMIN_TOKEN, BINARY, call, configuration, free_port, running  # noqa: E402

SEED = "20261123"
EXAMPLES = {"customers": 40, "operators": 40}
# Every check but those of one kind: whether a request that the schema allows is taken. Which values a model takes is its
# provider's to say, and ids in paths are random.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,ignored_auth,unsupported_method,allow_header_conformance"
)
SUITE_SECONDS = 300


def get(url: str, token: str | None = None) -> str:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
        return response.read().decode()


def validate(document: str) -> None:
    """Fails for a document that is not OpenAPI."""
    code = "import json, sys, openapi_spec_validator as v; v.validate(json.load(sys.stdin))"
    subprocess.run([str(python_of(SCHEMATHESIS)), "-c", code], input=document, text=True, check=True)


def check(name: str, base: str, path: str, token: str, parameters: dict[str, str]) -> int:
    """schemathesis' exit code for one document: first with ids of all kinds, then with those that exist."""
    validate(get(base + path, token))
    code = explore(name, base + path, token, "")
    if code == 0 and parameters:
        places = ", ".join(f"{json.dumps('path.' + place)} = {json.dumps(value)}" for place, value in parameters.items())
        workspaces = 'include-path-regex = "^/admin/v1/workspaces/"'
        code = explore(name, base + path, token, f"[[operations]]\n{workspaces}\nparameters = {{ {places} }}\n")
    return code


def explore(name: str, url: str, token: str, settings: str) -> int:
    program = python_of(SCHEMATHESIS).parent / "schemathesis"
    command = [str(program), "run", url, "--header", f"Authorization: Bearer {token}", "--seed", SEED]
    command += ["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES[name])]
    command += ["--request-timeout", "40", "--no-color", "--warnings", "off", "--continue-on-failure"]
    with tempfile.TemporaryDirectory(prefix="lmhaven-openapi-") as folder:
        (pathlib.Path(folder) / "schemathesis.toml").write_text(settings)
        return subprocess.run(command, cwd=folder, timeout=SUITE_SECONDS, check=False).returncode


def customer(admin: str) -> tuple[str, dict[str, object]]:
    """The id of a workspace that runs out of neither money nor requests, and its key."""
    body = {"name": "Descriptions", "owner_email": "openapi@example.com", "email_verified": True}
    id = call("POST", f"{admin}/admin/v1/workspaces", body, ADMIN_TOKEN)["id"]
    workspace = f"{admin}/admin/v1/workspaces/{id}"
    credit = {"amount_usd": "100000.00", "reason": "descriptions", "idempotency_key": "descriptions"}
    call("POST", f"{workspace}/credits", credit, ADMIN_TOKEN)
    call("PATCH", workspace, {"requests_per_minute": 1_000_000, "concurrent_streams": 1_000}, ADMIN_TOKEN)
    return id, call("POST", f"{workspace}/keys", {"name": "descriptions"}, ADMIN_TOKEN)


def main() -> int:
    wanted = sys.argv[1:] or list(EXAMPLES)
    with tempfile.TemporaryDirectory(prefix="lmhaven-openapi-") as folder:
        home = pathlib.Path(folder)
        simulator, public, admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
        config = home / "lmhaven.toml"
        config.write_text(configuration(f"http://{simulator}", public, admin, home / "store"))
        simulate = [str(BINARY), "simulate", "--listen", simulator]
        serve = [str(BINARY), "serve", "-c", str(config)]
        log = home / "gateway.log"
        failed = []
        with running(simulate, f"http://{simulator}/__stats", home / "simulator.log"), running(
            serve, f"http://{admin}/readyz", log
        ):
            workspace, key = customer(f"http://{admin}")
            existing = {"id": workspace, "key_id": str(key["id"])}
            suites = {
                "customers": (f"http://{public}", "/openapi.json", str(key["secret"]), {}),
                "operators": (f"http://{admin}", "/admin/v1/openapi.json", ADMIN_TOKEN, existing),
            }
            failed += [name for name in wanted if check(name, *suites[name]) != 0]
        if failed:
            print(f"not as described: {', '.join(failed)}\nthe gateway's last lines:\n{log.read_text()[-3000:]}")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
