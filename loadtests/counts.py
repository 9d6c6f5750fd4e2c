"""How many instructions of the interpreter a call takes: a cost that no busy machine changes.

`python -m loadtests.counts [--write]` runs the whole application of a worker in this process, over ASGI, with a
real store and the static upstream beside it, one call at a time. It counts each bytecode instruction that runs
in the loop's thread. What libraries do in C is not counted, and neither is the HTTP server in front: what is
left is the project's own code and its frameworks', which is where the time of a call goes.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

import msgspec
import uvloop
import yaml
from llmgw.app import Secrets, create_app, open_content_key
from llmgw.context.integrity.chain_keys import load_chain_keys
from llmgw.http.front import Front
from llmgw.policy.pepper import load_pepper
from llmgw.settings import load
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.call import DEFAULT_TENANT
from llmgw.types.secret import Secret

from loadtests.requests import LABEL, PROMPT, TEMPLATE, VARIABLES, WORDS, stored
from loadtests.scenarios import CHAT, LIMITED, Scenario, gateway_config
from loadtests.scenarios import SCENARIOS as ALL
from loadtests.subjects import Static

BASELINE: Final = Path(__file__).with_name("counts.json")
"""Instructions per call by scenario, by version of the interpreter: each compiles to its own."""
TOLERANCE: Final = 0.1
"""More than this above the baseline is a regression; runs differ by less than a hundredth."""
VERSION: Final = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"

SCENARIOS: Final = ("chat", "stream", "all-on")

_ADMIN: Final = secrets.token_hex(24)
_WARM, _COUNTED = 12, 40
_BEHIND_S: Final = 0.005
_LONG: Final = 100
"""Turns from which a conversation is long."""


class Counter:
    """Counts instructions of the thread that it runs in, frame by frame, while it is on."""

    def __init__(self) -> None:
        self.count = 0
        self.by_file: dict[str, int] = {}

    def __enter__(self) -> Self:
        sys.settrace(self._entered)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _entered(self, frame: FrameType, _event: str, _arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        name = frame.f_code.co_filename

        def step(_frame: FrameType, event: str, _arg: object) -> Any:
            if event == "opcode":
                self.count += 1
                self.by_file[name] = self.by_file.get(name, 0) + 1
            return step

        return step


class Caller:
    """Calls the application as a server would, without one."""

    def __init__(self, app: Front) -> None:
        self._app = app

    async def ask(self, method: str, path: str, key: str, body: object) -> tuple[int, bytes]:
        """Make an exchange; returns status and body."""
        written = body if isinstance(body, bytes) else msgspec.json.encode(body)
        messages = [{"type": "http.request", "body": written, "more_body": False}]
        sent: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            sent.append(message)

        headers = {
            "host": "127.0.0.1",
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "content-length": str(len(written)),
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        await self._app(scope, receive, send)
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])

    async def done(self, method: str, path: str, key: str, body: object) -> Any:
        """Make an exchange that must succeed.

        Raises:
            RuntimeError: it did not.
        """
        status, answer = await self.ask(method, path, key, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer) if answer[:1] in {b"{", b"["} else None  # noqa: TID251  # ours


async def count(app: Front, wanted: Sequence[Scenario]) -> dict[str, tuple[int, dict[str, int]]]:
    """Count the instructions of each scenario's calls; returns the median per call, and shares by file.

    Raises:
        RuntimeError: a call was not answered.
    """
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = loop.create_task(_lifespan(app, scope, asked, told))
    await asked.put({"type": "lifespan.startup"})
    await told.get()
    try:
        caller = Caller(app)
        found = {}
        for scenario in wanted:
            key, bodies = await _bodies(caller, scenario)
            found[scenario.name] = await _measure(caller, key, bodies)
        return found
    finally:
        await asked.put({"type": "lifespan.shutdown"})
        await life


async def _lifespan(
    app: Front, scope: Any, asked: asyncio.Queue[dict[str, str]], told: asyncio.Queue[Mapping[str, Any]]
) -> None:
    await app(scope, asked.get, told.put)


async def _measure(caller: Caller, key: str, bodies: Sequence[bytes]) -> tuple[int, dict[str, int]]:
    for body in bodies[:_WARM]:
        await caller.done("POST", CHAT, key, body)
    each: list[int] = []
    with Counter() as counter:
        for body in bodies[_WARM:]:
            before = counter.count
            await caller.done("POST", CHAT, key, body)
            # What a call leaves to be done behind it is its own, too.
            await asyncio.sleep(_BEHIND_S)
            each.append(counter.count - before)
    # Of the median, so that what ticks by the clock between two calls is nobody's.
    shares = {name: count // len(each) for name, count in counter.by_file.items()}
    return round(statistics.median(each)), shares


async def _bodies(caller: Caller, scenario: Scenario) -> tuple[str, list[bytes]]:
    """Make what a scenario's calls name; returns their key and their bodies."""
    tenant = LIMITED if scenario.limited else DEFAULT_TENANT
    wanted = {"name": scenario.name, "role": "admin", "tenant": tenant}
    key: str = (await caller.done("POST", "/admin/v1/keys", _ADMIN, wanted))["key"]
    if scenario.prompt:
        await _publish(caller, key)
    names: list[str | None] = [None] * (_WARM + _COUNTED)
    if scenario.turns:
        # A call adds two turns, so a short conversation is called once; long ones are few, to be warm.
        pool = len(names) if scenario.turns < _LONG else 2
        names = [f"{scenario.name}-{number % pool}" for number in range(len(names))]
        said = [{"role": "assistant" if n % 2 else "user", "content": WORDS} for n in range(scenario.turns)]
        for name in dict.fromkeys(names):
            await caller.done("POST", "/v1/contexts", key, {"id": name})
            await caller.done("POST", f"/v1/contexts/{name}/turns", key, {"messages": said})
    shots = [stored(scenario, scenario.model, key, name) for name in names]
    return key, [shot.payload.partition(b"\r\n\r\n")[2] for shot in shots]


async def _publish(caller: Caller, key: str) -> None:
    """Have a prompt served by its label."""
    strings = {name: {"type": "string"} for name in VARIABLES}
    schema = {"type": "object", "properties": strings, "required": list(VARIABLES)}
    content = {"messages": [{"role": "system", "text": TEMPLATE}], "input_schema": schema}
    at = f"/admin/v1/prompts/{PROMPT}"
    await caller.done("POST", "/admin/v1/prompts", key, {"name": PROMPT, "content": content})
    await caller.done("POST", f"{at}/versions/1/publish", key, {})
    moved = {"version": 1, "break_glass": True, "reason": "counted"}
    await caller.done("PUT", f"{at}/labels/{LABEL}", key, moved)


def measured(wanted: Sequence[str] = SCENARIOS) -> dict[str, tuple[int, dict[str, int]]]:
    """Count scenarios by name; see `count`.

    Raises:
        StartError, EmbeddedStateError: what stands beside the application did not start.
        RuntimeError: a call was not answered.
    """
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        home = Path(directory)
        cpus = sorted(os.sched_getaffinity(0))
        upstream = stack.enter_context(Static("upstream", cpus, home))
        collector = stack.enter_context(Static("collector", cpus, home))
        config = {
            **gateway_config("main", upstream.port, collector.port),
            "server": {"host": "127.0.0.1", "port": 1, "workers": 1},
            "state": {"url": "embedded", "dir": str(home / "state")},
        }
        path = home / "llmgw.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        loaded = load(str(path), {})
        store = stack.enter_context(EmbeddedValkey(loaded.settings.state.dir))
        kept = Secrets(
            pepper=load_pepper(loaded.settings.state.dir),
            context_keys=load_chain_keys(loaded.settings.state.dir),
            bootstrap=Secret(_ADMIN),
            content_key=open_content_key(loaded.settings),
        )
        # Lines of calls go where nobody reads them.
        sys.stderr = stack.enter_context((home / "log").open("w", encoding="utf-8"))
        try:
            app = create_app(loaded, {}, state_url=Secret(store.url), secrets=kept)
            scenarios = {each.name: each for each in ALL}
            return uvloop.run(count(app, [scenarios[name] for name in wanted]))
        finally:
            sys.stderr = sys.__stderr__


def main() -> int:
    """Print what was counted beside the baseline; ends with 1 where a scenario has come to cost more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"make this the baseline in {BASELINE.name}")
    parser.add_argument("--files", action="store_true", help="show which files the instructions are of")
    parser.add_argument(
        "--json", action="store_true", help="print the instructions by scenario and file alone"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[each.name for each in ALL if each.path == CHAT],
        help="this scenario; may be repeated",
    )
    asked = parser.parse_args()
    if asked.write and asked.only:
        parser.error("a baseline is of every scenario")
    found = measured(asked.only or SCENARIOS)
    if asked.json:
        print(json.dumps({name: files for name, (_, files) in found.items()}))  # ours
        return 0
    known: dict[str, dict[str, int]] = json.loads(BASELINE.read_text(encoding="utf-8"))  # noqa: TID251  # ours
    before = known.get(VERSION, {})
    worse = False
    for name, (instructions, files) in found.items():
        more = instructions / before[name] - 1 if before.get(name) else None
        worse = worse or (more is not None and more > TOLERANCE)
        print(f"{name:10} {instructions:8,} instructions a call{'' if more is None else f'  {more:+.1%}'}")
        for file, count in sorted(files.items(), key=lambda each: -each[1])[: 40 if asked.files else 0]:
            print(f"  {count:8,}  {file}")
    if asked.write:
        known[VERSION] = {name: instructions for name, (instructions, _) in found.items()}
        BASELINE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
