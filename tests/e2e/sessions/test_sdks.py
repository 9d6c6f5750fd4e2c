"""Callers that keep their history themselves, with the official SDKs: their histories are known again."""

import itertools
import json
from typing import Any

import anthropic
import openai
import pytest
from llmgw.context.protocol import violations
from redis import Redis
from tests.e2e.contexts.desk import MODELS, Desk, problem
from tests.running import RunningGateway
from tests.waiting import until

_numbers = itertools.count(1)
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
TOOL: Any = {
    "name": "get_weather",
    "input_schema": WEATHER["function"]["parameters"],
}


def preservation(headers: Any) -> dict[str, str]:
    """The members of the header."""
    return dict(member.split("=", 1) for member in headers["x-llmgw-preservation"].split(";"))


class Chat:
    """A conversation over chat completions, whose history the caller keeps."""

    def __init__(self, client: openai.OpenAI, model: str = MODELS[0], session: str | None = None) -> None:
        self.client, self.model = client, model
        self.session = session or f"chat-{next(_numbers)}"
        self.messages: list[Any] = [{"role": "system", "content": "Be brief."}]

    def ask(self, text: str, *, stream: bool = False, **more: Any) -> dict[str, str]:
        """Say something, keep the answer, and return what the gateway says of the history."""
        self.messages.append({"role": "user", "content": text})
        return self.again(stream=stream, **more)

    def again(self, *, stream: bool = False, **more: Any) -> dict[str, str]:
        """Send the history, keep the answer."""
        create = self.client.chat.completions.with_raw_response.create
        headers = {"x-llmgw-context-verify": self.session}
        raw: Any = create(
            model=self.model, messages=self.messages, stream=stream, extra_headers=headers, **more
        )
        if stream:
            text = ""
            for chunk in raw.parse():
                for choice in chunk.choices:
                    text += choice.delta.content or ""
            self.messages.append({"role": "assistant", "content": text})
        else:
            message = raw.parse().choices[0].message
            self.messages.append(message.model_dump(exclude_none=True))
        return preservation(raw.headers)


class Claude:
    """A conversation over messages, whose history the caller keeps as Claude Code does."""

    def __init__(self, client: anthropic.Anthropic, model: str = MODELS[1]) -> None:
        self.client, self.model = client, model
        self.session = f"5f4dcc3b-5aa7-65d6-1d83-{next(_numbers):012d}"
        self.messages: list[Any] = []
        self.user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": self.session})

    def ask(self, *blocks: Any, stream: bool = False, **more: Any) -> dict[str, str]:
        """Say something, keep the answer, and return what the gateway says of the history."""
        self.messages.append({"role": "user", "content": list(blocks)})
        members = {
            "model": self.model,
            "max_tokens": 200,
            "messages": self.messages,
            "metadata": {"user_id": self.user},
            "system": [
                {"type": "text", "text": f"x-anthropic-billing-header: cch={len(self.messages)};"},
                {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            ],
            **more,
        }
        if stream:
            with self.client.messages.stream(**members) as events:
                message = events.get_final_message()
                headers = events.response.headers
        else:
            raw = self.client.messages.with_raw_response.create(**members)
            message, headers = raw.parse(), raw.headers
        content = [block.model_dump(exclude_none=True) for block in message.content]
        self.messages.append({"role": "assistant", "content": content})
        return preservation(headers)


def report_of(gateway: RunningGateway, session: str, *, calls: int) -> dict[str, Any]:
    """The report of a session, once so many calls are written down in it."""

    def written() -> bool:
        answer = gateway.request(f"/v1/sessions/{session}")
        return answer.status == 200 and bool(answer.json()["calls"] == calls)

    until(written, f"{calls} calls in the session")
    report: dict[str, Any] = gateway.request(f"/v1/sessions/{session}").json()
    assert violations("session", report) == ()
    return report


def text(words: str, **more: Any) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_history_sent_back_by_the_openai_sdk_is_known_again(
    chat: openai.OpenAI, running: RunningGateway, model: str, stream: bool
) -> None:
    """Whatever protocol answered, streamed or whole: nothing is found in any of the calls."""
    talk = Chat(chat, model)
    for number in range(4):
        told = talk.ask(f"question {number} of a long talk", stream=stream)
        if not stream:
            assert told == {"verdict": "preserved", "score": "1.00", "losses": "0", "mode": "verify"}
    report = report_of(running, talk.session, calls=4)
    assert report["last"]["verdict"] == "preserved"
    assert "found" not in report
    assert [branch["turns"] for branch in report["branches"]] == [8]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_history_sent_back_by_the_anthropic_sdk_is_known_again(
    claude: anthropic.Anthropic, running: RunningGateway, model: str, stream: bool
) -> None:
    """With tools and their results, marks for caches, reminders and billing header: nothing is found."""
    talk = Claude(claude, model)
    reminder = text("<system-reminder>\nIt is early.\n</system-reminder>")
    talk.ask(reminder, text("What is the get_weather in Paris?"), stream=stream, tools=[TOOL])
    call = next(block for block in talk.messages[-1]["content"] if block["type"] == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "18 degrees"}
    talk.ask(result, text("<system-reminder>\nIt is late.\n</system-reminder>"), stream=stream, tools=[TOOL])
    talk.messages[0]["content"] = talk.messages[0]["content"][1:]
    told = talk.ask(text("thank you", cache_control={"type": "ephemeral"}), stream=stream, tools=[TOOL])
    if not stream:
        assert (told["verdict"], told["losses"]) == ("preserved", "0")
    report = report_of(running, talk.session, calls=3)
    assert report["last"]["verdict"] == "preserved"
    assert "found" not in report


def test_tools_called_over_chat_completions_are_known_again(chat: openai.OpenAI) -> None:
    """A call and its result come back as the SDK writes them."""
    talk = Chat(chat, MODELS[1])
    talk.ask("What is the get_weather in Paris?", tools=[WEATHER])
    call = talk.messages[-1]["tool_calls"][0]
    talk.messages.append({"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"})
    assert talk.again(tools=[WEATHER])["verdict"] == "preserved"
    assert talk.ask("thank you", tools=[WEATHER])["verdict"] == "preserved"


def test_what_a_caller_changes_is_told(chat: openai.OpenAI, running: RunningGateway) -> None:
    """An altered answer, one that is left out, one that was never given, and a last one asked for again."""
    talk = Chat(chat)
    for number in range(3):
        talk.ask(f"question {number}")
    whole = list(talk.messages)

    talk.messages = [*whole[:2], {"role": "assistant", "content": "something else"}, *whole[3:]]
    assert talk.ask("next")["found"] == "edited"
    talk.messages = [*whole[:2], *whole[3:]]
    told = talk.ask("next after that")
    assert (told["verdict"], told["found"]) == ("lost", "lost")
    talk.messages = [*whole, {"role": "user", "content": "q"}, {"role": "assistant", "content": "never said"}]
    told = talk.ask("next after all")
    assert (told["verdict"], told["found"]) == ("degraded", "foreign")
    talk.messages = [whole[0], whole[3], whole[4], whole[1], whole[2], *whole[5:]]
    assert talk.ask("and so on")["found"] == "reordered"
    talk.messages = whole[:-1]
    told = talk.again()
    assert (told["verdict"], told["found"]) == ("preserved", "regenerated")

    report = report_of(running, talk.session, calls=8)
    finding = report["found"]["findings"][0]
    assert (finding["code"], finding["severity"], finding["index"]) == ("regenerated", "info", 5)
    assert len(report["branches"]) > 1


def test_a_history_that_gave_way_to_a_summary_is_told(
    claude: anthropic.Anthropic, running: RunningGateway
) -> None:
    """As Claude Code compacts: all turns are lost, and it is said that a summary took their place."""
    talk = Claude(claude)
    for number in range(3):
        talk.ask(text(f"question {number}"))
    talk.messages = []
    told = talk.ask(text("This session is being continued from a previous conversation. They asked thrice."))
    assert (told["verdict"], told["found"]) == ("degraded", "lost")
    finding = report_of(running, talk.session, calls=4)["found"]["findings"][0]
    assert finding["detail"] == "history.compacted"
    assert (finding["index"], finding["through"], finding["pointer"]) == (0, 5, "/messages/0")
    # From here on the new history is the one that is known.
    assert talk.ask(text("next"))["verdict"] == "preserved"


def test_an_answer_comes_back_over_another_dialect(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Given over messages, sent back over chat completions: the turns are the same."""
    talk = Claude(claude)
    talk.ask(text("question one"))
    other = Chat(chat, session=talk.session)
    words = "".join(block["text"] for block in talk.messages[1]["content"])
    other.messages += [{"role": "user", "content": "question one"}, {"role": "assistant", "content": words}]
    assert other.ask("question two")["verdict"] == "preserved"


def test_several_threads_of_one_session_do_not_disturb_each_other(chat: openai.OpenAI) -> None:
    """A subagent's history beside the main one, call by call in turns."""
    main = Chat(chat)
    helper = Chat(chat, session=main.session)
    helper.messages = [{"role": "system", "content": "You help."}]
    for number in range(3):
        assert main.ask(f"main {number}")["losses"] == "0"
        assert helper.ask(f"helper {number}")["losses"] == "0"


def test_nothing_that_was_said_is_in_the_store(
    chat: openai.OpenAI, running: RunningGateway, store: Redis
) -> None:
    """No key and no value holds a word of it, nor the session's name."""
    talk = Chat(chat, session="a-session-called-rhododendron")
    talk.messages = [{"role": "system", "content": "Always say archaeopteryx."}]
    talk.ask("My secret word is zymurgical xylophone.")
    talk.messages[0]["content"] = "Never say archaeopteryx."
    talk.ask("What is my secret word?")
    assert "xylophone" in talk.messages[-1]["content"]
    report_of(running, talk.session, calls=2)
    call = f'"id":"{_last_call(running)}"'.encode()
    until(lambda: call in _held(store), "the call to be in the call log, which is in the store first")
    held = _held(store)
    assert b"llmgw:ses:" in held
    for word in (b"xylophone", b"archaeopteryx", b"zymurgical", b"rhododendron"):
        assert word not in held.lower()


def _last_call(running: RunningGateway) -> str:
    lines = [json.loads(line) for line in running.log().splitlines() if '"event":"call"' in line]
    return str(lines[-1]["call_id"])


def _held(store: Redis) -> bytes:
    return b"".join(_bytes_of(store, key) for key in store.scan_iter())


def _bytes_of(store: Redis, key: Any) -> bytes:
    read: dict[bytes, tuple[Any, ...]] = {
        b"string": ("GET", key),
        b"hash": ("HGETALL", key),
        b"set": ("SMEMBERS", key),
        b"list": ("LRANGE", key, 0, -1),
        b"zset": ("ZRANGE", key, 0, -1),
        b"stream": ("XRANGE", key, "-", "+"),
    }
    kind: Any = store.type(key)
    if kind == b"none":  # it ended meanwhile
        return bytes(key)
    found: Any = store.execute_command(*read[kind])  # type: ignore[no-untyped-call]
    if kind == b"stream":
        found = [part for _, fields in found for pair in fields.items() for part in pair]
    elif isinstance(found, dict):
        found = [part for pair in found.items() for part in pair]
    return b"\n".join([key, *([found] if isinstance(found, bytes) else found)])


def test_a_session_is_its_tenants_and_can_be_forgotten(running: RunningGateway) -> None:
    """To all others it is as if it had never been; erased, it is gone with a receipt."""
    desk, stranger = Desk.of(running, "acme"), Desk.of(running, "other")
    body = {"model": MODELS[0], "messages": [{"role": "user", "content": "hello"}]}
    name = f"mine-{next(_numbers)}"
    answer = desk.ask("POST", "/chat/completions", body, headers={"session_id": name})
    assert preservation(answer.headers)["verdict"] == "preserved"
    until(lambda: desk.ask("GET", f"/sessions/{name}").status == 200, "the session to be written down")
    theirs, nobodys = (stranger.ask("GET", f"/sessions/{each}") for each in (name, "nobodys"))
    assert problem(theirs) == (404, "session_not_found", [])
    assert theirs.body == nobodys.body
    assert stranger.ask("DELETE", f"/sessions/{name}").body == nobodys.body
    receipt = desk.ask("DELETE", f"/sessions/{name}")
    assert receipt.status == 200
    assert {**receipt.json(), "erased_at": ""} == {
        "id": name,
        "erased_at": "",
        "calls": 1,
        "branches": 1,
        "turns": 2,
    }
    assert desk.ask("GET", f"/sessions/{name}").status == 404


def test_a_viewer_may_look_and_not_forget(running: RunningGateway) -> None:
    """What a key may do its role decides."""
    viewer = Desk.of(running, "acme", role="viewer")
    assert viewer.ask("GET", "/sessions/nobodys").status == 404
    assert viewer.ask("DELETE", "/sessions/nobodys").status == 403


def test_the_call_log_says_it(chat: openai.OpenAI, running: RunningGateway) -> None:
    """The line of a call that lost something is a warning with its verdict and mode."""
    talk = Chat(chat)
    talk.ask("question one")
    talk.messages = [talk.messages[0], talk.messages[1]]
    talk.ask("question two")

    def told() -> list[Any]:
        lines = [json.loads(line) for line in running.log().splitlines() if line.startswith("{")]
        return [each for each in lines if each.get("context") == talk.session]

    # A line is written behind the answer.
    until(lambda: len(told()) == 2, "the lines of both calls")
    line = told()[-1]
    assert (line["level"], line["preservation"], line["mode"], line["losses"]) == (
        "warning",
        "lost",
        "verify",
        1,
    )


def test_what_is_kept_of_an_answer_that_was_interrupted_is_no_finding(
    chat: openai.OpenAI, running: RunningGateway
) -> None:
    """The caller hangs up amid a stream, keeps what it has, and goes on."""
    talk = Chat(chat, "openai/sim-chunk-50ms-chunks-200")
    talk.messages.append({"role": "user", "content": "tell a long story"})
    stream = chat.chat.completions.create(
        model=talk.model,
        messages=talk.messages,
        stream=True,
        extra_headers={"x-llmgw-context-verify": talk.session},
    )
    kept = ""
    for chunk in stream:
        kept += chunk.choices[0].delta.content or ""
        if len(kept) > 10:
            break
    stream.close()
    report_of(running, talk.session, calls=1)
    talk.model = MODELS[0]
    talk.messages.append({"role": "assistant", "content": kept})
    assert talk.ask("go on")["verdict"] == "preserved"


def test_a_call_that_fails_leaves_the_session_as_it_was(chat: openai.OpenAI, running: RunningGateway) -> None:
    """Nothing was answered: the question may come again, or another."""
    talk = Chat(chat)
    talk.ask("question one")
    before = talk.messages
    talk.model, talk.messages = "openai/sim-fail-503", [*before, {"role": "user", "content": "two"}]
    with pytest.raises(openai.InternalServerError):
        talk.again()
    talk.model, talk.messages = MODELS[0], list(before)
    assert talk.ask("question three") == {
        "verdict": "preserved",
        "score": "1.00",
        "losses": "0",
        "mode": "verify",
    }
    assert report_of(running, talk.session, calls=2)["branches"][0]["turns"] == 4
