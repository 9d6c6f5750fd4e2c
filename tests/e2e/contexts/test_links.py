"""From what a call left behind there is a way back to the call."""

from llmgw.context.storage.names import HASH, ORPHANS, Keys
from llmgw.state.connection import State
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.collectors import attributes
from tests.e2e.contexts.scene import Scene
from tests.waiting import until


def reads(scene: Scene, context: str) -> list[Span]:
    """The kept spans in which something of a context was read."""
    found = [span for span in scene.collector.all_spans() if span.name == "llmgw.context.read"]
    return [span for span in found if attributes(span.attributes)["gen_ai.conversation.id"] == context]


def test_who_reads_a_fenced_answer_is_led_to_the_call_that_wrote_it(scene: Scene) -> None:
    """The answer lies aside with its trace; the span of reading it links to the span of the call, which is kept."""
    context = scene.desk.made()
    with scene.under_way(context) as (response, heard):
        trace, call = response.getheader("x-llmgw-trace-id"), response.getheader("x-llmgw-call-id")
        scene.behind(lambda state, keys: state.command("HINCRBY", keys.of(HASH), "fence", 1), context)
        heard.go_on()
        response.read()
    (orphan,) = scene.desk.ask("GET", f"/contexts/{context}/orphans").json()["orphans"]
    assert (orphan["call"], orphan["trace_id"]) == (call, trace)
    (span,) = until(lambda: reads(scene, context), "the span of reading it")
    (link,) = span.links
    assert link.trace_id.hex() == trace
    assert attributes(link.attributes) == {"llmgw.call.id": call, "llmgw.link": "fenced"}
    root = until(
        lambda: [span for span in scene.collector.all_spans() if span.span_id == link.span_id], "the call"
    )
    assert attributes(root[0].attributes)["llmgw.context.conflict"] == "fenced"


def test_what_was_left_before_traces_were_noted_leads_nowhere(scene: Scene) -> None:
    """It is read all the same, without a trace and without a link."""
    context = scene.desk.made()
    with scene.under_way(context) as (response, heard):
        scene.behind(lambda state, keys: state.command("HINCRBY", keys.of(HASH), "fence", 1), context)
        heard.go_on()
        response.read()

    async def forget_traces(state: State, keys: Keys) -> None:
        for name, said in await state.command("XRANGE", keys.of(ORPHANS), "-", "+"):
            await state.command("XDEL", keys.of(ORPHANS), name)
            told = [each for pair in said.items() if pair[0] != b"trace" for each in pair]
            await state.command("XADD", keys.of(ORPHANS), "*", *told)

    scene.behind(forget_traces, context)
    (orphan,) = scene.desk.ask("GET", f"/contexts/{context}/orphans").json()["orphans"]
    assert orphan["kind"] == "fenced"
    assert "trace_id" not in orphan
    assert len(orphan["turns"]) == 2
