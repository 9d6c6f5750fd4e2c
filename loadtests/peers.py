"""Other gateways under the same load: installed from their package registries, started as their makers recommend.

LiteLLM's proxy: one worker, no database, errors alone logged, prices from its own file, the production mode
(https://docs.litellm.ai/docs/proxy/prod). Portkey's gateway: its built server on Node, in production mode and
headless. Neither is asked for more than its stateless call: no limits, no budgets, no stored conversations.
"""

import http.client
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from loadtests.scenarios import MODELS
from loadtests.subjects import StartError, Subject, exchange, free_port

ROOT: Final = Path(__file__).parents[1]
HOME: Final = ROOT / ".peers"
_INSTALL_S: Final = 900.0
_PORTKEY: Final = Path("node_modules/@portkey-ai/gateway")


class LiteLLM(Subject):
    """LiteLLM's proxy; the master key is the one key it knows without a database."""

    ready_s = 120.0

    def __init__(
        self, cpus: Sequence[int], home: Path, upstream_port: int, *, program: Path | None = None
    ) -> None:
        port = free_port()
        config = home / "litellm.yaml"
        config.write_text(yaml.safe_dump(_litellm_config(upstream_port)), encoding="utf-8")
        # By its interpreter: the script itself names the directory where it was installed, which may have moved.
        installed = [str(HOME / "litellm/bin/python"), str(HOME / "litellm/bin/litellm")]
        command = [*([str(program)] if program else installed), "--config", str(config)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        super().__init__("LiteLLM", cpus, command, home / "litellm.log", port)
        self.key = f"sk-{secrets.token_hex(24)}"
        self._environ = {
            "LITELLM_MASTER_KEY": self.key,
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }

    def ready(self) -> bool:
        """It says so itself."""
        return exchange(self.port, "GET", "/health/readiness", key=self.key)[0] == http.client.OK


class Portkey(Subject):
    """Portkey's gateway; where a call goes stands in the caller's headers."""

    ready_s = 60.0

    def __init__(
        self, cpus: Sequence[int], home: Path, upstream_port: int, *, program: Path | None = None
    ) -> None:
        port = free_port()
        script = program or HOME / "portkey" / _PORTKEY / "build/start-server.js"
        command = ["node", str(script), "--headless", f"--port={port}"]
        super().__init__("Portkey", cpus, command, home / "portkey.log", port)
        self.headers = {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{upstream_port}/v1",
        }
        self._environ = {"NODE_ENV": "production"}

    def ready(self) -> bool:
        """Its root answers."""
        return exchange(self.port, "GET", "/")[0] == http.client.OK


def install_litellm() -> None:
    """Install it into an environment of its own, again when the lock changes.

    Raises:
        StartError: it cannot be installed; the message says why.
    """
    lock = ROOT / "requirements/litellm.lock"
    home = HOME / "litellm"
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    pip += ["--only-binary", ":all:", "-r", str(lock)]
    steps = [[sys.executable, "-m", "venv", str(home)], [str(home / "bin/python"), *pip]]
    _install("LiteLLM", home, lock, lambda: steps)


def install_portkey() -> None:
    """Install it into a directory of its own, again when the wished version changes.

    Raises:
        StartError: it cannot be installed; the message says why.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise StartError(f"Portkey is not measured: there is no {program} here")
    wished = ROOT / "requirements/portkey/package.json"
    home = HOME / "portkey"

    def steps() -> list[list[str]]:
        home.mkdir(parents=True)
        shutil.copy(wished, home / wished.name)
        npm = [
            "npm",
            "install",
            "--ignore-scripts",
            "--no-package-lock",
            "--omit=dev",
            "--no-audit",
            "--no-fund",
        ]
        return [[*npm, "--loglevel=error", "--prefix", str(home)]]

    _install("Portkey", home, wished, steps)


def _install(name: str, home: Path, wished: Path, steps: Callable[[], list[list[str]]]) -> None:
    """Take the steps, unless what is there was made from the same wish."""
    done = home / "installed"
    if done.exists() and done.read_bytes() == wished.read_bytes():
        return
    print(f"Installing {name} into {home} (once; again when {wished.name} changes)", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    for step in steps():
        try:
            subprocess.run(step, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
        except subprocess.CalledProcessError as error:
            raise StartError(
                f"{name} is not measured: it was not installed: {_reason(error.stderr)}"
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StartError(f"{name} is not measured: it was not installed: {error}") from error
    done.write_bytes(wished.read_bytes())


def _reason(said: str) -> str:
    """The first line of what an installer complained about, which is where both say what is wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[0][:300]


def _litellm_config(upstream_port: int) -> Mapping[str, object]:
    base = f"http://127.0.0.1:{upstream_port}/v1"
    return {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {"model": f"openai/{model}", "api_base": base, "api_key": "none"},
            }
            for model in MODELS
        ],
        "litellm_settings": {
            "set_verbose": False,
            "json_logs": True,
            "request_timeout": 600,
            "num_retries": 0,
            "callbacks": [],
        },
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def versions() -> str:
    """Name the versions that are installed."""
    found = HOME.glob("litellm/lib/python*/site-packages/litellm-*.dist-info")
    said = [f"litellm {each.name.removeprefix('litellm-').removesuffix('.dist-info')}" for each in found]
    package = HOME / "portkey" / _PORTKEY / "package.json"
    if package.exists():
        said.append(f"@portkey-ai/gateway {yaml.safe_load(package.read_text(encoding='utf-8'))['version']}")
        node = subprocess.run(["node", "--version"], check=False, capture_output=True, text=True)
        said.append(f"node {node.stdout.strip().removeprefix('v')}")
    return ", ".join(said)


Guest: TypeAlias = tuple[Callable[[], None], Callable[[Sequence[int], Path, int], Subject]]
"""How another gateway is installed, and what starts it."""

ALL: Final[tuple[Guest, ...]] = ((install_litellm, LiteLLM), (install_portkey, Portkey))


def invited(
    stack: ExitStack, cpus: Sequence[int], home: Path, upstream_port: int, guests: Sequence[Guest] = ALL
) -> tuple[list[Subject], list[str]]:
    """Start those that can be started; of each other one, print and return a line that says why it cannot."""
    started, absent = [], []
    for install, start in guests:
        try:
            install()
            started.append(stack.enter_context(start(cpus, home, upstream_port)))
        except StartError as error:
            absent.append(" ".join(str(error).split()))
            print(f"{absent[-1]}\n", flush=True)
    return started, absent
