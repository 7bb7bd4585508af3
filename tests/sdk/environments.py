"""The SDK versions under test, one isolated environment for each set of them, kept under target/sdk.

`tests/run.sh` calls this to install them; `launch.py` reads the table. An environment is made anew only when its row
changes, so a second run costs nothing.
"""

import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target" / "sdk"
PYTEST = "pytest==9.2.0"
STRIPE = "stripe==16.1.0"
STANDARD_WEBHOOKS = "standardwebhooks==1.1.0"

PYTHON = {
    "python-current": [PYTEST, STRIPE, STANDARD_WEBHOOKS, "openai==3.54.0", "anthropic==2.12.0"],
    "python-previous": [PYTEST, STRIPE, STANDARD_WEBHOOKS, "openai==2.54.0", "anthropic==1.17.0"],
    "python-oldest": [PYTEST, STRIPE, STANDARD_WEBHOOKS, "openai==1.109.1", "anthropic==0.125.0"],
}
# What holds the gateway against its OpenAPI descriptions (`tests/openapi`).
SCHEMATHESIS = "schemathesis"
TOOLS = {SCHEMATHESIS: ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"]}
NODE = {
    "node-current": ["openai@6.49.0", "@anthropic-ai/sdk@1.12.0"],
    "node-previous": ["openai@5.23.2", "@anthropic-ai/sdk@0.137.0"],
    "node-oldest": ["openai@4.104.0"],
}


def python_of(name: str) -> pathlib.Path:
    """The interpreter of a Python environment."""
    return HOME / name / "bin" / "python"


def make_python(home: pathlib.Path, packages: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages], check=True)


def make_node(home: pathlib.Path, packages: list[str]) -> None:
    home.mkdir(parents=True)
    (home / "package.json").write_text(json.dumps({"private": True}))
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-update-notifier"]
    subprocess.run([*npm, *packages], cwd=home, check=True)


def main() -> None:
    for table, make in ((PYTHON, make_python), (TOOLS, make_python), (NODE, make_node)):
        for name, packages in table.items():
            home = HOME / name
            stamp = home / "packages.stamp"
            wanted = "\n".join([str(home), *packages])
            if stamp.exists() and stamp.read_text() == wanted:
                continue
            print(f"installing {name}: {' '.join(packages)}", flush=True)
            # What an interrupted run left behind has no stamp and would be half an environment.
            shutil.rmtree(home, ignore_errors=True)
            make(home, packages)
            stamp.write_text(wanted)


if __name__ == "__main__":
    main()
