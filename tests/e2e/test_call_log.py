"""The call log of a running gateway: a call, its words, a judgement of it, and the same call asked again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from llmgw.calllog.schema import json_schema
from llmgw.simulator.process import SimulatorProcess
from tests.integration.calllog.stage import rows_of
from tests.running import RunningGateway
from tests.waiting import until


def test_a_call_is_kept_judged_and_asked_again(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Its row and its sealed words come to files of the hour, where no word can be read; a replay says the same."""
    config = {
        "providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}},
        "telemetry": {"capture": "full"},
        "call_log": {"segment_s": 1},
    }
    with RunningGateway(tmp_path, config) as gateway:
        call = gateway.chat("sim/sim", "say zebra").headers["x-llmgw-call-id"]
        path = f"/admin/v1/calls/{call}"
        told = until(lambda: _whole(gateway, f"{path}/content"), "the words to be kept")
        assert json.loads(told["request"])["messages"] == [{"role": "user", "content": "say zebra"}]
        assert told["complete"]
        judgement = {"call_id": call, "name": "helpful", "value": True, "source": "user"}
        assert gateway.request("/v1/feedback", judgement).status == 201
        assert gateway.request("/v1/feedback", {**judgement, "call_id": "call_nobody"}).status == 404
        replayed = subprocess.run(
            [sys.executable, "-m", "llmgw", "calls", "replay", call],
            env={**os.environ, "LLMGW_URL": gateway.root, "LLMGW_KEY": gateway.key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (replayed.returncode, "the answers are the same" in replayed.stderr) == (0, True), (
            replayed.stderr
        )
        log = gateway.home / "state" / "calls"
        until(
            lambda: {"calls", "content", "feedback"} <= {each.parts[-4] for each in _files(log)}, "the files"
        )
        rows = until(lambda: _whole(gateway, "/admin/v1/calls"), "the page")
        assert [row["endpoint"] for row in rows["calls"]] == ["/v1/chat/completions"] * 2
        for row in rows["calls"]:
            Draft202012Validator(json_schema()).validate(row)
        rows_kept = [row for each in _files(log) for row in rows_of(each)]
        assert len(rows_kept) >= 3
        assert "zebra" not in str(rows_kept)


def _whole(gateway: RunningGateway, path: str) -> Any:
    answer = gateway.request(path)
    return answer.json() if answer.status == 200 else None


def _files(log: Path) -> list[Path]:
    return list(log.rglob("*.parquet"))
