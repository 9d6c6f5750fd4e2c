"""Attributes are fit to be sent, whatever they are made of."""

from hypothesis import given
from hypothesis import strategies as st
from llmgw.telemetry.bounds import MAX_ATTRIBUTE_BYTES, MAX_SPAN_BYTES, bounded, bounded_span, size_of
from opentelemetry.exporter.otlp.proto.common._internal import _encode_attributes
from opentelemetry.sdk.trace import Event

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=50),
    st.text(max_size=50).map(lambda text: text * 400),
    st.lists(st.text(max_size=50).map(lambda text: text * 100), max_size=20).map(tuple),
)


@given(st.dictionaries(st.text(max_size=5), VALUES))
def test_whatever_is_bounded_can_be_sent(
    facts: dict[str, str | int | float | tuple[str, ...] | None],
) -> None:
    """Valid UTF-8, 64 bits, 8 KiB in each value; what is known is there, what is not is not."""
    attributes = bounded(facts)
    encoded = _encode_attributes(attributes) or []
    assert len(encoded) == len(attributes)
    for pair in encoded:
        pair.SerializeToString()
    for value in attributes.values():
        words = value if isinstance(value, list) else [value]
        assert sum(len(str(word).encode()) for word in words) <= MAX_ATTRIBUTE_BYTES
    for name, value in facts.items():
        too_large = isinstance(value, int) and abs(value) >= 2**63
        assert (name in attributes) is (value is not None and not too_large)


def test_lists_are_cut_as_a_whole() -> None:
    """The first words stay, the one that no longer fits is cut, all after it are left out."""
    half = "x" * (MAX_ATTRIBUTE_BYTES // 2)
    assert bounded({"a": (half, half + "y", "z")}) == {"a": [half, half]}


def test_zero_false_and_the_empty_word_are_known() -> None:
    """Only None is unknown."""
    assert bounded({"a": 0, "b": False, "c": "", "d": None, "e": ()}) == {
        "a": 0,
        "b": False,
        "c": "",
        "e": [],
    }


def test_a_span_has_one_bound_for_all_it_says() -> None:
    """The last events go first, then the longest values; a mark says so, and so does the count of events."""
    event = Event("e", {"text": "x" * 8000}, 0)
    few, events = bounded_span({"a": "y" * 8192, "n": 1}, [event] * 10)
    assert (list(few), len(events)) == (["a", "n", "llmgw.truncated"], 7)
    assert getattr(events, "dropped", 0) == 3
    many, none = bounded_span({f"name_{number}": "z" * 8192 for number in range(12)}, [event])
    assert (len(none), len(many)) == (0, 8)
    for attributes, kept in ((few, events), (many, none)):
        size = size_of(attributes) + sum(size_of(each.attributes or {}) for each in kept)
        assert size <= MAX_SPAN_BYTES


def test_a_span_that_has_room_is_told_whole() -> None:
    """Without a mark; a value that is cut sets it."""
    event = Event("e", {"text": "x"}, 0)
    events = [event]
    assert bounded_span({"a": "y"}, events) == ({"a": "y"}, events)
    assert bounded_span({"a": "ü" * 5000}, ())[0]["llmgw.truncated"] is True
    assert bounded_span({"a": ("w" * 5000, "v" * 5000)}, ())[0]["llmgw.truncated"] is True
