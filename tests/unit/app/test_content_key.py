"""The key that seals what is said in calls."""

from pathlib import Path

import pytest
from llmgw.app import open_content_key
from llmgw.calllog.sealing import ContentKeyError
from llmgw.settings import Settings, Telemetry
from llmgw.settings.call_log import CallLog
from llmgw.settings.model import State
from llmgw.types.secret import Secret

KEY = "0f" * 32


def settings(here: Path, telemetry: Telemetry, log: CallLog | None = None) -> Settings:
    """Settings of a gateway whose state is here."""
    return Settings(state=State(dir=here), telemetry=telemetry, call_log=log or CallLog())


def test_there_is_none_where_no_words_are_kept(tmp_path: Path) -> None:
    """Neither at the default level nor without a call log is a key made."""
    assert open_content_key(settings(tmp_path, Telemetry())) is None
    assert open_content_key(settings(tmp_path, Telemetry(capture="full"), CallLog(enabled=False))) is None
    assert list(tmp_path.iterdir()) == []


def test_one_is_made_for_the_first_tenant_whose_words_are_kept(tmp_path: Path) -> None:
    """It stays the same, and words that were kept can be read when none are kept any more."""
    made = open_content_key(settings(tmp_path, Telemetry(capture_by_tenant={"acme": "redacted"})))
    assert made is not None
    assert open_content_key(settings(tmp_path, Telemetry())) == made


def test_the_configured_one_goes_first(tmp_path: Path) -> None:
    """Gateways that share a store share a key; no file is made then."""
    log = CallLog(content_key=Secret(KEY.upper()))
    given = open_content_key(settings(tmp_path, Telemetry(capture="full"), log))
    assert given is not None
    assert given.reveal() == KEY
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    """A damaged file keeps the gateway from starting: with another key nothing kept could be read."""
    path = tmp_path / "content-key"
    path.write_text("damaged\n")
    path.chmod(0o600)
    with pytest.raises(ContentKeyError, match="content-key"):
        open_content_key(settings(tmp_path, Telemetry()))
