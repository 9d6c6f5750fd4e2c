"""Usage objects of OpenAI-like hosts: the usual ones, read in one step, mean what they mean member by member."""

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from llmgw.providers.openai.usage import usage_from
from msgspec import structs

COUNTS = st.integers(0, 20)
ODD: st.SearchStrategy[Any] = st.sampled_from((None, True, -1, 1.0, 2.5, "3", 2**70, [], {}))
PROMPT = st.dictionaries(st.sampled_from(("cached_tokens", "audio_tokens", "text_tokens")), COUNTS | ODD)
COMPLETION = st.dictionaries(
    st.sampled_from(("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens")), COUNTS | ODD
)


@given(
    usual=st.fixed_dictionaries(
        {"prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS},
        optional={"prompt_tokens_details": PROMPT | ODD, "completion_tokens_details": COMPLETION | ODD},
    ),
    odd=st.dictionaries(
        st.sampled_from(("prompt_tokens", "total_tokens", "reasoning_tokens", "num_cached_tokens")),
        COUNTS | ODD,
        max_size=1,
    ),
)
def test_usual_objects_are_read_the_same(usual: dict[str, Any], odd: dict[str, Any]) -> None:
    """A member that says nothing makes an object an unusual one, and changes nothing of what is read."""
    details = usual | odd
    read = usage_from(details)
    event("usual" if not odd else "odd")
    assert read.provider_details is details
    assert read == structs.replace(usage_from(details | {"nothing": None}), provider_details=details)
