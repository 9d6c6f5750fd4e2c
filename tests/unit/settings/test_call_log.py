"""The section `call_log`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from llmgw.calllog.files import Bucket, Directory
from llmgw.settings import Loaded
from llmgw.settings.call_log import call_log_dir, call_log_files, call_log_settings

Problems = Callable[..., list[str]]


def test_a_log_is_beside_the_state_unless_named(loaded: Callable[..., Loaded], tmp_path: Path) -> None:
    """By default `calls` in `state.dir`; a relative path starts at the settings file; or it is in a bucket."""
    settings = loaded("state: {dir: here}").settings
    assert call_log_dir(settings.call_log, settings.state.dir) == tmp_path / "here" / "calls"
    assert isinstance(call_log_files(settings.call_log, tmp_path), Directory)
    assert loaded("call_log: {dir: rows}").settings.call_log.dir == tmp_path / "rows"
    bucket = loaded('call_log: {url: "s3://b/x", options: {aws_region: eu}}').settings.call_log
    assert isinstance(call_log_files(bucket, tmp_path), Bucket)


def test_what_the_log_is_told(loaded: Callable[..., Loaded]) -> None:
    """MiB become bytes."""
    told = call_log_settings(loaded("call_log: {content_buffer_mib: 2, keep_days: 7}").settings.call_log)
    assert (told.content_buffer_bytes, told.keep_days, told.when_full) == (2 * 1024 * 1024, 7, "drop_oldest")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dir: ~nobody-of-this-name/x", "call_log.dir: starts with '~' and the name of no user here"),
        (
            "dir: x, url: s3://b/x",
            "call_log.url: a log is in a directory or an object store: give dir or url",
        ),
        (
            "url: ftp://b/x",
            "call_log.url: is no URL of an object store: its scheme is one of s3, gs, az, as in s3://bucket/prefix",
        ),
        (
            "url: s3://b/x, options: {SECRET: x}",
            "call_log.url: has an option whose name does not begin with aws_",
        ),
        (
            "url: s3://b/x, options: {aws_secret_key_of_mine: SECRET}",
            "call_log.url: cannot be opened: the URL or an option is not as its store wants it",
        ),
        ("options: {aws_region: SECRET}", "call_log.options: are of an object store, which url names"),
        (
            "buffer_events: 1000, segment_events: 501",
            "call_log.segment_events: is more than half of buffer_events: while one file is written, others have",
        ),
        (
            "content_key: SECRET",
            "call_log.content_key: is not 64 hexadecimal digits: openssl rand -hex 32 draws some",
        ),
        ("when_full: block", "call_log.when_full"),
        ("keep_days: 0", "call_log.keep_days"),
    ],
)
def test_what_is_wrong_is_told(problems: Problems, text: str, expected: str) -> None:
    """Where, and without a value that may be a secret."""
    (problem,) = problems(f"call_log: {{{text}}}")
    assert expected in problem
    assert "SECRET" not in problem.replace("SECRET: x", "")
