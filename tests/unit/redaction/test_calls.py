"""Calls as they may be told of."""

import pytest
from llmgw.redaction.calls import _is_known_plain, tellable, tellable_operation
from llmgw.telemetry.traces import TraceBuilder
from llmgw.types.call import Call, Caller
from llmgw.types.operation import ContextOperation
from tests.secret_samples import WHEREVER
from tests.traced_calls import admitted, captured, continued, prompted, tried

WHO = Caller(key_id="key_1", name="jane", role="caller", tenant="acme", team="search", tags=("t",))


def known(**facts: object) -> Call:
    """A call of which everything is known, with one that was made for it."""
    call = captured("full", error_message="it said so", trace_state="v=1", parent_span_id=9)
    told: dict[str, object] = {
        "caller": WHO,
        "tags": ("tag_1",),
        "alias": "fast",
        "answered_id": "chatcmpl_1",
        "answered_model": "m",
        "context": continued(),
        "prompt": prompted(),
        "admission": admitted(),
        "inner": [captured("full", id="call_1.1", request_id="req_1")],
    }
    for name, value in {**told, **facts}.items():
        setattr(call, name, value)
    return call


def test_a_call_without_secrets_is_told_as_it_is() -> None:
    """Nothing is copied."""
    call = known()
    assert tellable(call) is call


@pytest.mark.parametrize("kind", sorted(WHEREVER))
def test_names_that_others_chose_lose_their_secrets(kind: str) -> None:
    """The caller's request id, model and tags, and what a provider calls its answer; the call itself stays."""
    secret = WHEREVER[kind]
    attempt = tried(model=secret, target=f"p/{secret}", upstream_id=secret)
    call = known(
        request_id=secret,
        alias=f"p/{secret}",
        tags=("a", f"b {secret}"),
        trace_state=f"v={secret}",
        answered_id=secret,
        answered_model=secret,
        finish_reasons=(secret,),
        attempts=[attempt],
    )
    call.inner[0].alias = secret
    told = tellable(call)
    assert secret not in str(told)
    assert (told.tags[0], told.context) == ("a", call.context)
    assert (call.alias, call.attempts[0].model, call.inner[0].alias) == (f"p/{secret}", secret, secret)


def test_no_long_name_of_a_provider_is_remembered() -> None:
    """What is known of the names that calls share takes a megabyte at most, whatever answers say they are of."""
    tellable(known(answered_model="m" * 900, inner=[]))
    before = _is_known_plain.cache_info().currsize
    for number in range(3):
        assert tellable(known(answered_model=f"{number}{'m' * 2_000}", inner=[])).alias == "fast"
    assert _is_known_plain.cache_info().currsize == before


def test_without_leave_only_what_sums_need_is_told() -> None:
    """No span leads to the call, its caller, its conversation or its trace; those of inner calls neither."""
    call = known(capture="none", attempts=[tried(upstream_id="up_1")])
    call.inner[0].capture = "none"
    told = tellable(call)
    spans = TraceBuilder("1", {}).trace(told)
    said = str([(span.name, dict(span.attributes or {}), span.events) for span in spans])
    for word in (
        "call_1",
        "req_1",
        "key_1",
        "tag_1",
        "ctx_1",
        "triage",
        "chatcmpl_1",
        "up_1",
        "2 + 2",
        "search",
    ):
        assert word not in said
        assert word not in str(told)
    assert {span.context.trace_id for span in spans} != {call.trace_id}
    assert len({span.context.trace_id for span in spans}) == 1
    (root,) = [span for span in spans if span.parent is None]
    attributes = dict(root.attributes or {})
    assert attributes["llmgw.tenant"] == "acme"
    assert attributes["llmgw.alias"] == "fast"
    assert attributes["http.response.status_code"] == 200


def test_an_operation_tells_as_little() -> None:
    """Which context it was about, and by whose key, is left out at the level `none`."""
    operation = ContextOperation(
        name="fork",
        tenant="acme",
        context="ctx_1",
        trace_id=1,
        span_id=2,
        started_ns=0,
        started_unix_ns=0,
        key_id="key_1",
        forked_from="ctx_0",
        trace_state=f"v={WHEREVER['npm_token']}",
    )
    assert WHEREVER["npm_token"] not in str(tellable_operation(operation))
    operation.capture = "none"
    (span,) = TraceBuilder("1", {}).operation(tellable_operation(operation))
    assert dict(span.attributes or {}) == {
        "llmgw.context.contexts": 1,
        "llmgw.context.operation": "fork",
        "llmgw.tenant": "acme",
    }
    assert span.context is not None
    assert span.context.trace_id not in {0, 1}


@pytest.mark.parametrize(
    "name",
    [
        "request_id", "alias", "answered_model", "answered_id", "tier", "trace_state", "tags", "finish_reasons",
        "target", "model", "upstream_id", "inner",
    ],
)  # fmt: skip
def test_a_secret_in_one_name_alone_is_found(name: str) -> None:
    """No name is left out when all are looked at together, were it that of a call made for this one."""
    secret = WHEREVER[min(WHEREVER)]
    call = known(inner=[])
    if name in {"target", "model", "upstream_id"}:
        call.attempts = [tried(**{name: secret})]
    elif name == "inner":
        call.inner = [known(inner=[], alias=secret)]
    else:
        setattr(call, name, (secret,) if name in {"tags", "finish_reasons"} else secret)
    assert secret not in str(tellable(call))
