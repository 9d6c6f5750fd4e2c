"""What docs/signals.md says is so: its receiver takes what the gateway signs, and nothing else."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from llmgw.policy.signals.webhook import body_of, message_id, ping, signed_headers
from llmgw.settings import load
from llmgw.types.secret import Secret
from llmgw.types.signal import EventKind
from tests.ports import free_port
from tests.waiting import until
from tests.webhook_receiver import SECRET

PAGE = (Path(__file__).parents[3] / "docs" / "signals.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The receiver of the page, as a process; what it printed is in `out`."""
    found = free_port()
    (tmp_path / "receiver.py").write_text(BLOCKS["python"], encoding="utf-8")
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "receiver.py")],
            env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(found)},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: _post(found, {}, b"{}") == 401, "the receiver")
            yield found
        finally:
            process.terminate()
            process.wait(timeout=30)


def _post(port: int, headers: dict[str, str], body: bytes) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_receiver_takes_what_the_command_sends(port: int, tmp_path: Path) -> None:
    """`llmgw webhooks test` is taken by it, with its sentence printed."""
    config = tmp_path / "llmgw.yaml"
    hook = {"url": f"http://127.0.0.1:{port}/", "secret": "${LLMGW_WEBHOOK_SECRET}"}
    config.write_text(yaml.safe_dump({"signals": {"webhooks": [hook]}}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "llmgw", "webhooks", "test", "1", "-c", str(config)],
        env={**os.environ, "LLMGW_WEBHOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "it answered 204" in done.stderr
    assert (tmp_path / "out").read_text() == "ping This is a test of the webhook.\n"


def test_the_receiver_refuses_what_is_not_so_signed(port: int, tmp_path: Path) -> None:
    """Another body, another time, an old time, another secret, no signature; a repetition is taken and not told."""
    event = ping(1000)
    body, name, now = body_of(event), message_id(event), int(time.time())
    good = dict(signed_headers(Secret(SECRET), name, now, body))
    other = dict(signed_headers(Secret("A" * 44), name, now, body))
    assert _post(port, good, body + b" ") == 401
    assert _post(port, {**good, "webhook-timestamp": str(now + 1)}, body) == 401
    assert _post(port, dict(signed_headers(Secret(SECRET), name, now - 301, body)), body) == 401
    assert _post(port, other, body) == 401
    assert _post(port, {**good, "webhook-signature": ""}, body) == 401
    both = f"{other['webhook-signature']} {good['webhook-signature']}"
    assert _post(port, {**good, "webhook-signature": both}, body) == 204
    assert _post(port, good, body) == 204
    assert (tmp_path / "out").read_text() == "ping This is a test of the webhook.\n"


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    """The example loads, and the table of kinds has all there are."""
    config = tmp_path / "llmgw.yaml"
    config.write_text(BLOCKS["yaml"], encoding="utf-8")
    settings = load(str(config), {"LLMGW_WEBHOOK_SECRET": SECRET}).settings
    assert settings.signals.webhooks[0].tenants == ("acme",)
    kinds = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE)
    assert kinds == list(get_args(EventKind))
    assert {"events", "next", "more"} == set(json.loads(BLOCKS["json"]))
