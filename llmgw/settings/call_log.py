"""The call log: the section `call_log`, its checks, and what it makes."""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from llmgw.calllog.files import Directory, Files, open_bucket
from llmgw.calllog.settings import CallLogSettings
from llmgw.settings.problem import Finding, Path
from llmgw.types.secret import Secret

_PATH: Path = ("call_log",)
_KEY: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)
_MIB: Final = 1024 * 1024


class CallLog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row for every call, kept in files that answer questions."""

    enabled: bool = True
    """Keep it."""
    dir: FilePath | None = None
    """Where its files go; `calls` in `state.dir` by default. A relative path starts at the settings file."""
    url: Annotated[str, Meta(max_length=2048)] = ""
    """An object store in the place of a directory: `s3://bucket/prefix`, `gs://…` or `az://account/container/…`."""
    options: Annotated[dict[str, Secret], Meta(max_length=50)] = {}
    """Options of the object store by their names, such as `aws_region`, `aws_endpoint`, `aws_secret_access_key`,
    `allow_http`; what is left out comes from the environment, as its own tools have it. Values are secret."""
    buffer_events: Annotated[int, Meta(ge=1000, le=10_000_000)] = 100_000
    """Events that wait in the store at most; each takes some 600 bytes of it."""
    content_buffer_mib: Annotated[int, Meta(ge=1, le=65_536)] = 64
    """MiB of sealed words that wait in the store at most."""
    when_full: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    """What makes room when no more may wait; what is dropped is counted."""
    segment_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    """Seconds after which the events that wait are written to a file."""
    segment_events: Annotated[int, Meta(ge=100, le=1_000_000)] = 20_000
    """Events that are written to a file sooner; at most half of `buffer_events`."""
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    """Days that rows are kept."""
    content_keep_days: Annotated[int, Meta(ge=1, le=3650)] = 14
    """Days that words are kept, where a tenant's level of capture keeps any."""
    content_key: Secret | None = None
    """64 random hexadecimal digits by which words are encrypted, the same for all gateways that share a store;
    without one, or with an empty one, the gateway makes its own in `state.dir`."""


def check_call_log(log: CallLog) -> Iterator[Finding]:
    """Yield what does not hold between members, and what no object store can be opened by."""
    if log.dir is not None and log.url:
        yield Finding(
            path=(*_PATH, "url"), message="a log is in a directory or an object store: give dir or url"
        )
    elif log.url:
        try:
            open_bucket(log.url, _options(log))
        except ValueError as error:
            yield Finding(path=(*_PATH, "url"), message=str(error))
    elif log.options:
        yield Finding(path=(*_PATH, "options"), message="are of an object store, which url names")
    if 2 * log.segment_events > log.buffer_events:
        message = "is more than half of buffer_events: while one file is written, others have to wait"
        yield Finding(path=(*_PATH, "segment_events"), message=message)
    key = log.content_key.reveal() if log.content_key is not None else ""
    if key and not _KEY.fullmatch(key):
        message = "is not 64 hexadecimal digits: openssl rand -hex 32 draws some"
        yield Finding(path=(*_PATH, "content_key"), message=message)


def call_log_settings(log: CallLog) -> CallLogSettings:
    """What the log is told."""
    return CallLogSettings(
        buffer_events=log.buffer_events,
        content_buffer_bytes=log.content_buffer_mib * _MIB,
        when_full=log.when_full,
        segment_s=log.segment_s,
        segment_events=log.segment_events,
        keep_days=log.keep_days,
        content_keep_days=log.content_keep_days,
    )


def call_log_dir(log: CallLog, state_dir: FilePath) -> FilePath:
    """Where its files are, unless that is an object store."""
    return log.dir or state_dir / "calls"


def call_log_files(log: CallLog, state_dir: FilePath) -> Files:
    """Where its files are."""
    return open_bucket(log.url, _options(log)) if log.url else Directory(call_log_dir(log, state_dir))


def _options(log: CallLog) -> dict[str, str]:
    return {name: value.reveal() for name, value in log.options.items()}
