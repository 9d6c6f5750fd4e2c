"""Scripts: the header."""

import pytest
from llmgw.state.scripts import Script


def test_a_script_without_its_header_is_refused() -> None:
    """Without `#!lua` a script could run half and then be out of memory."""
    with pytest.raises(ValueError, match="#!lua"):
        Script("bare", "return 1")
