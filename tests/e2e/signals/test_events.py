"""Events of a running gateway: listed, streamed, on the command line, and at a webhook."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.signals.conftest import House
from tests.running import RunningGateway
from tests.waiting import until
from tests.webhook_receiver import SECRET, Receiver


def _ids(listed: Any) -> list[str]:
    return [each["id"] for each in listed["events"]]


def _llmgw(
    gateway: RunningGateway, *arguments: str, key: str | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "LLMGW_URL": gateway.root, "LLMGW_KEY": key or gateway.key}
    command = [sys.executable, "-m", "llmgw", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


class Feed:
    """A live stream, read line by line."""

    def __init__(self, gateway: RunningGateway, query: str = "", **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        whole = {"authorization": f"Bearer {gateway.key}", "accept": "text/event-stream", **headers}
        self.connection.request("GET", f"/admin/v1/events{query}", headers=whole)
        self.response = self.connection.getresponse()

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self.connection.close()

    def lines(self) -> Iterator[str]:
        """What comes, to the end of the stream."""
        while line := self.response.readline():
            yield line.decode().rstrip("\n")

    def events(self, count: int) -> list[tuple[str, str, Any]]:
        """The next events: id, kind, data."""
        found, event = list[tuple[str, str, Any]](), dict[str, str]()
        for line in self.lines():
            name, _, text = line.partition(": ")
            if line:
                event[name] = text
            elif "data" in event:
                found.append((event["id"], event["event"], json.loads(event["data"])))
                event = {}
            if len(found) == count:
                break
        return found


def test_thresholds_are_listed_and_come_to_the_webhook(house: House) -> None:
    """Each once, in order, with a sentence; the webhook gets them signed although it failed at first."""
    begins = house.spend("listed", 400, 450, 200)
    wanted = [f"{begins}:{percent}" for percent in (50, 80, 100)]
    query = "?kind=budget.threshold&since=1h"
    until(lambda: len(_ids(house.events(query))) == 3, "the events")
    listed = house.events(query)
    assert _ids(listed) == wanted
    assert listed["events"][1] == {
        "id": wanted[1], "kind": "budget.threshold", "at_ms": listed["events"][1]["at_ms"],
        "tenant": "default", "subject": "team:listed:total:ever",
        "numbers": {"percent": 80, "spent_nano": 850, "amount_nano": 1000},
        "message": "The budget team:listed:total has reached 80 %: 0.00000085 of 0.000001 USD are spent.",
    }  # fmt: skip
    until(lambda: house.receiver.ids()[-1:] == wanted[-1:], "the deliveries")
    assert house.receiver.ids() == [wanted[0], *wanted]
    assert house.receiver.forged == 0
    (hook,) = house.gateway.request("/admin/v1/webhooks").json()["webhooks"]
    assert (hook["state"], hook["last_status"], hook["delivered"]) == ("active", 204, 3)
    assert hook["origin"] == house.receiver.url.removesuffix("/hooks?a=b")


def test_pages_lead_on_to_each_other(house: House) -> None:
    """Page by page the list is the whole; asked after its end it has what came since."""
    begins = house.spend("paged", 400, 450, 200)
    until(lambda: f"{begins}:100" in _ids(house.events("?limit=1000")), "the events")
    whole = house.events("?limit=1000")
    found, query = list[str](), "?limit=1"
    while True:
        page = house.events(query)
        found += _ids(page)
        query = f"?limit=1&after={page['next']}"
        if not page["more"]:
            break
    assert found == _ids(whole)
    begins = house.spend("later", 600)
    until(lambda: _ids(house.events(query)) == [f"{begins}:50"], "the event")


def test_a_stream_goes_on_where_its_reader_left_off(house: House) -> None:
    """It shows what comes from now on, and with `Last-Event-ID` what came while nobody read."""
    feed = Feed(house.gateway)
    assert feed.response.status == 200
    assert feed.response.getheader("content-type") == "text/event-stream; charset=utf-8"
    assert (feed.response.getheader("x-request-id") or "").startswith("req_")
    assert next(feed.lines()) == ": ping"
    begins = house.spend("streamed", 500, 300)
    (first, second) = feed.events(2)
    assert [each[2]["id"] for each in (first, second)] == [f"{begins}:50", f"{begins}:80"]
    assert first[1] == "budget.threshold"
    feed.close()
    house.spend("streamed", 300)
    again = Feed(house.gateway, **{"last-event-id": first[0]})
    assert [each[2]["id"] for each in again.events(2)] == [f"{begins}:80", f"{begins}:100"]
    again.close()


def test_another_tenants_events_are_not_there(house: House) -> None:
    """Its keys see its own; the other's is as unknown as one that does not exist."""
    made = house.gateway.request(
        "/admin/v1/keys", {"name": "zeta", "role": "viewer", "tenant": "zeta"}
    ).json()
    begins = house.spend("private", 600, tenant="zeta")
    until(lambda: _ids(house.events("?tenant=zeta")) == [f"{begins}:50"], "the event")
    assert _ids(house.events(key=made["key"])) == [f"{begins}:50"]
    house.spend("hidden", 600)
    answers = [
        house.gateway.request(f"/admin/v1/events?tenant={tenant}", key=made["key"])
        for tenant in ("default", "nobody", "")
    ]
    assert [each.status for each in answers] == [404] * 3
    problems = [{**each.json(), "request_id": None, "instance": None} for each in answers]
    assert problems[0] == problems[1] == problems[2]
    assert house.gateway.request("/admin/v1/events?tenant=nobody").status == 404
    assert house.gateway.request("/admin/v1/webhooks", key=made["key"]).json() == {"webhooks": []}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?kind=budget.treshold", "kind"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=x", "limit"),
        ("?after=here", "after"),
        ("?after=1-2:A", "after"),
        ("?since=yesterday", "since"),
    ],
)
def test_a_bad_question_is_refused(house: House, query: str, param: str) -> None:
    """400 and the name of the parameter, for the list and for the stream."""
    for accept in ("application/json", "text/event-stream"):
        if accept == "text/event-stream" and param == "limit":
            continue
        answer = house.gateway.request(f"/admin/v1/events{query}", headers={"accept": accept})
        assert answer.status == 400, answer.body
        assert param in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"


def test_who_may_not_look_is_refused(house: House) -> None:
    """A key that only calls sees neither events nor webhooks; nobody does without a key."""
    made = house.gateway.request("/admin/v1/keys", {"name": "app", "role": "caller"}).json()
    for path in ("/admin/v1/events", "/admin/v1/webhooks"):
        assert house.gateway.request(path, key=made["key"]).status == 403
        assert house.gateway.request(path, key=None).status == 401
        assert house.gateway.request(path, key=None, headers={"accept": "text/event-stream"}).status == 401


def test_the_command_line_shows_them(house: House) -> None:
    """As a table, and as JSON line by line; an unknown kind ends with the gateway's words."""
    begins = house.spend("shown", 600)
    until(lambda: f"{begins}:50" in _ids(house.events("?limit=1000")), "the event")
    shown = _llmgw(house.gateway, "events", "--json", "--since", "1h")
    assert shown.returncode == 0, shown.stderr
    assert f"{begins}:50" in [json.loads(line)["id"] for line in shown.stdout.splitlines()]
    assert "The budget team:shown:total has reached 50 %" in _llmgw(house.gateway, "events").stdout
    refused = _llmgw(house.gateway, "events", "--kind", "nonsense")
    assert refused.returncode != 0
    assert "kind must be one of budget.threshold" in refused.stderr
    hooks = _llmgw(house.gateway, "webhooks", "list", "--json")
    assert [each["number"] for each in json.loads(hooks.stdout)] == [1]


def test_the_command_line_follows(house: House) -> None:
    """What comes while it runs is printed, until it is interrupted."""
    command = [sys.executable, "-m", "llmgw", "events", "--follow", "--json"]
    environ = {**os.environ, "LLMGW_URL": house.gateway.root, "LLMGW_KEY": house.gateway.key}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        begins = house.spend("followed", 600)
        assert any(json.loads(line)["id"] == f"{begins}:50" for line in process.stdout)
        process.terminate()


def test_a_webhook_is_tested_from_the_command_line(house: House) -> None:
    """A ping comes signed; one that is not taken, not there, or not configured, ends with 1 and why."""
    config = str(house.gateway.config_path)
    before = len(house.receiver.got)
    done = _llmgw(house.gateway, "webhooks", "test", "1", "-c", config)
    assert done.returncode == 0, done.stderr
    assert [each.body["type"] for each in house.receiver.got[before:]] == ["ping"]
    house.receiver.script.append(500)
    failed = _llmgw(house.gateway, "webhooks", "test", "1", "-c", config)
    assert failed.returncode == 1
    assert "answered 500" in failed.stderr
    missing = _llmgw(house.gateway, "webhooks", "test", "2", "-c", config)
    assert missing.returncode == 1
    assert "there are 1 webhooks" in missing.stderr
    assert SECRET not in done.stderr + failed.stderr + missing.stderr


def test_an_event_comes_again_after_its_deliverer_was_killed(house: House) -> None:
    """Both workers are killed while one waits for the answer; the next deliver it again, by the same id."""
    house.receiver.open.clear()
    before = len(house.receiver.got)
    begins = house.spend("killed", 600)
    until(lambda: len(house.receiver.got) > before, "the first delivery")
    workers = house.gateway.worker_pids()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    house.receiver.open.set()
    until(lambda: not set(workers) & set(house.gateway.worker_pids()), "the workers to be dead")
    house.forget_leases()
    until(lambda: len(house.receiver.got) > before + 1, "the second delivery", within_s=60)
    first, second = house.receiver.got[before:]
    assert first.body["data"]["id"] == f"{begins}:50"
    assert (first.id, first.body) == (second.id, second.body)


def test_a_reload_brings_other_webhooks_and_a_stop_ends_streams(house: House) -> None:
    """After a reload the new address gets what comes; when the gateway stops, a stream ends and is not cut."""
    told = f"{house.spend('before', 600)}:50"
    # A worker that starts at this moment takes the new file over at once; by then it must be of the past.
    until(lambda: told in _ids(house.events("?limit=1000")), "the event to be listed")
    with Receiver() as other:
        config = {
            "providers": {"sim": {"kind": "simulator"}},
            "server": {"workers": 2, "ping_s": 0.5},
            "signals": {"webhooks": [{"url": other.url, "secret": SECRET}]},
        }
        house.gateway.write_config(config)
        reloaded = _llmgw(house.gateway, "config", "reload", "-c", str(house.gateway.config_path))
        assert reloaded.returncode == 0, reloaded.stderr
        # From when on it gets events is settled by whichever worker comes first.
        begins = "budget:team:after"
        numbers = iter(range(1000))
        until(
            lambda: house.spend(f"after{next(numbers)}", 600) and any(begins in each for each in other.ids()),
            "a delivery",
        )
        assert not any("before" in each for each in other.ids())
        feed = Feed(house.gateway)
        assert next(feed.lines()) == ": ping"
        assert house.gateway.stop() == 0
        # A stream that is cut has no last chunk, which reading it would tell.
        assert list(feed.lines())[-1:] == [""]
        assert feed.response.isclosed()
        feed.close()
