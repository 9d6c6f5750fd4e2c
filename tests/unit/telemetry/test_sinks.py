"""Who else takes finished calls."""

from llmgw.types.call import Call
from tests.traced_calls import begun, finished, unheard

KEY = "sk-ant-api03-" + "a1B2" * 20


def test_a_sink_gets_a_call_as_it_may_be_told() -> None:
    """No secret is in names that its caller chose, nor in those of calls that were made for it."""
    recorder = unheard()
    taken: list[Call] = []
    recorder.also_tell(taken.append)
    call = finished(begun(recorder._tracing), tags=("web", KEY), alias=KEY)
    call.inner = [finished(begun(recorder._tracing), request_id=KEY)]
    recorder.record(call)
    (told,) = taken
    assert told.tags[0] == "web"
    assert KEY not in repr(told)
