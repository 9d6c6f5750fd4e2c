"""Jaeger, asked over the HTTP API that its own pages use."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from tests.e2e.trace_story import Seen

SERVICE = "llmgw"


class Jaeger:
    """One Jaeger, of which only what is younger than this object is asked; `query` and `otlp` are base URLs."""

    def __init__(self, query: str, otlp: str) -> None:
        self.page = query.rstrip("/")
        self.otlp = otlp
        self._since_us = time.time_ns() // 1000

    LOST = "service=llmgw&tags=%7B%22llmgw.context.preservation.verdict%22%3A%22lost%22%7D"

    def services(self) -> list[str]:
        """The services that Jaeger knows."""
        return [str(each) for each in self._get("/api/services")]

    def search(self, **said: Any) -> set[str]:
        """The traces that have a span with exactly these tags, as the search form finds them."""
        tags = {name.replace("__", "."): _word(value) for name, value in said.items()}
        times = {"start": str(self._since_us), "end": str(time.time_ns() // 1000)}
        query = {"service": SERVICE, "tags": json.dumps(tags), "limit": "1000", **times}
        found = self._get(f"/api/traces?{urllib.parse.urlencode(query)}")
        return {each["traceID"] for each in found}

    def trace(self, trace: str) -> list[Seen]:
        """The spans of a trace, as far as they have come."""
        try:
            found = self._get(f"/api/traces/{trace}")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return []
            raise
        return [_seen(span) for each in found for span in each["spans"]]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.page + path, timeout=30) as answer:
            return json.load(answer)["data"] or []


def _seen(span: Mapping[str, Any]) -> Seen:
    tags = _tags(span["tags"])
    events = [_tags(each["fields"]) for each in span["logs"]]
    parents = [each["spanID"] for each in span["references"] if each["refType"] == "CHILD_OF"]
    return Seen(
        trace_id=span["traceID"],
        span_id=span["spanID"],
        parent_id=parents[0] if parents else "",
        name=span["operationName"],
        kind=tags.get("span.kind"),
        error=tags.get("error") is True,
        attributes=tags,
        events=[(str(each.pop("event", "")), each) for each in events],
    )


def _tags(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def _value(value: Any) -> Any:
    """A list is told as the JSON text of it."""
    if isinstance(value, str) and value.startswith("["):
        return json.loads(value)
    return value


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
