"""Calls that continue stored conversations: what is held for them, and what refusing or losing them leaves."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llmgw.types.money import NANO
from tests.e2e.money.test_attempts import held, nothing_left
from tests.e2e.money.till import INPUT, WRITTEN, Tenant, detail, told_usd
from tests.e2e.money.wiretap import Wiretap
from tests.faults.provider import FakeProvider, fresh
from tests.waiting import until

PICTURE_BOUND = 16_384
FILE_ELSEWHERE = 100_000
PER_TOKEN = round(INPUT * 1000)


def test_what_is_stored_is_held_for(tenant: Tenant) -> None:
    """Each byte of the conversation is a token at most: a long one holds more than a short one, and enough."""
    desk = tenant.key()
    short, long = desk.made(), desk.told("tell me " + "all about it " * 400)
    few = held(desk, "openai/ctx", llmgw={"context": short})
    many = held(desk, "openai/ctx", llmgw={"context": long})
    assert many - few > 13 * 400 * PER_TOKEN
    tenant.budget(1)
    answer = desk.say(long, "and then?", "openai/ctx")
    assert 0 < told_usd(answer) < many


_DATA = "QUJD" * 1000
MEDIA: dict[str, tuple[dict[str, Any], int]] = {
    "a picture by its address": (
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, PICTURE_BOUND,
    ),
    "a picture itself": (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_DATA}"}}, PICTURE_BOUND,
    ),
    "a file by its name": ({"type": "file", "file": {"file_id": "file-1"}}, FILE_ELSEWHERE),
    "a file itself": (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_DATA}"}},
        4000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MEDIA)
def test_stored_media_are_held_for_as_if_they_were_said_again(tenant: Tenant, what: str) -> None:
    """Though little of them is stored, as when only an address is: the provider looks at them each time."""
    part, least = MEDIA[what]
    model = "openai/ctx" if "name" in what else "gemini/ctx"
    desk = tenant.key()
    plain, shown = desk.told("look at this"), desk.made()
    content = [{"type": "text", "text": "look at this"}, part]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "llmgw": {"context": shown},
    }
    answer = desk.ask("POST", "/chat/completions", body)
    assert answer.status == 200, answer.body
    without = held(desk, model, llmgw={"context": plain})
    with_it = held(desk, model, llmgw={"context": shown})
    assert with_it - without >= least * PER_TOKEN - 1000 * PER_TOKEN
    # A picture is not held for as if its bytes were words.
    assert with_it - without < (FILE_ELSEWHERE + 10_000) * round(WRITTEN * 1000)


def test_a_refused_call_leaves_the_context_as_it_was(tenant: Tenant, wiretap: Wiretap) -> None:
    """Unlocked, and with nothing of it: the next call goes on as if it had never been made."""
    model = fresh("ctx")
    desk = tenant.key()
    context = desk.told("one")
    before = desk.ask("GET", f"/contexts/{context}")
    tenant.budget(0)
    refused = desk.say(context, "two", f"openai/{model}")
    assert (refused.status, refused.json()["error"]["code"]) == (429, "budget_exceeded")
    after = desk.ask("GET", f"/contexts/{context}")
    assert after.headers["etag"] == before.headers["etag"]
    assert len(desk.texts(context)) == 2
    assert wiretap.bodies(model) == []
    tenant.budget(1)
    assert desk.say(context, "three", f"openai/{model}").status == 200
    assert desk.texts(context)[2] == "three"


def test_a_refused_call_makes_no_context(tenant: Tenant) -> None:
    """One that it would have made is not there."""
    desk = tenant.key()
    tenant.budget(0)
    body = {
        "model": "openai/ctx",
        "messages": [{"role": "user", "content": "hello"}],
        "llmgw": {"context": {"id": "never", "create": True}},
    }
    assert desk.ask("POST", "/chat/completions", body).status == 429
    found = desk.ask("GET", "/contexts/never")
    assert found.status == 404 or len(desk.texts("never")) == 0


def test_a_call_that_lost_its_context_is_charged(tenant: Tenant, provider: FakeProvider) -> None:
    """Its answer came, and was paid for: that the context was erased meanwhile costs it its answer, not its row."""
    desk = tenant.key("admin")
    tenant.budget(1, concurrent=5)
    context = desk.told("one")
    tenant.settled(1)
    model = fresh("g01_paused")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(desk.say, context, "two", f"fake-openai/{model}", stream=True)
        heard = provider.request(model)
        erased = desk.ask("DELETE", f"/contexts/{context}")
        assert erased.status in {200, 202, 204}, erased.body
        heard.go_on()
        answer = asking.result()
    assert b"[DONE]" not in answer.body
    _, row = tenant.settled(2)
    assert row.cost > 0
    assert detail(row).attempts
    nothing_left(desk)


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
def test_a_cut_answer_is_stored_and_charged(tenant: Tenant, provider: FakeProvider, protocol: str) -> None:
    """What there is of it is an incomplete turn, and a row that says that it is estimated."""
    desk = tenant.key()
    tenant.budget(1, concurrent=5)
    context = desk.made()
    model = fresh("p09_fin")
    target = f"fake-{protocol}/{model}"
    with desk.streaming(target, llmgw={"context": context}) as answer:
        answer.readline()
        provider.request(model).go_on()
        answer.read()
    (row,) = tenant.settled(1)
    assert detail(row).estimated
    assert 0 < row.cost <= round(1 * NANO)
    nothing_left(desk)
    until(lambda: len(desk.texts(context)) == 2, "the half answer to be stored")
