"""What is kept in one way: calls, their words, what people thought of them."""

from typing import Final

from msgspec import Struct

from llmgw.calllog.columns import columns_of, defaults_of
from llmgw.calllog.event import CallEvent


class Dataset(Struct, frozen=True, kw_only=True):
    """Events of one kind: a stream in the store, then segments of an hour each under a folder of its name.

    `columns` are SQL types by name, `defaults` the SQL of what a member is that was left out, where it is not NULL.
    """

    name: str
    columns: dict[str, str]
    defaults: dict[str, str] = {}
    key: str = "id"
    """The column that no two rows share."""
    time: str = "ended_us"
    """The column of unix microseconds that says to which hour a row belongs, and the order within a segment."""


def dataset_of(name: str, struct: type[Struct], *, key: str = "id", time: str = "ended_us") -> Dataset:
    """Make a dataset of the events that a struct describes.

    Raises:
        TypeError: a member makes no column.
    """
    columns = columns_of(struct)
    for each in (key, time):
        if each not in columns:
            raise TypeError(f"{name} has no column {each}")
    return Dataset(name=name, columns=columns, defaults=defaults_of(struct), key=key, time=time)


class ContentEvent(Struct, frozen=True, kw_only=True):
    """What was said in one call, sealed: only who has the gateway's key file can read it."""

    id: str
    """The call's."""
    tenant: str
    ended_us: int
    sealed: bytes


CALLS: Final = dataset_of("calls", CallEvent)
CONTENT: Final = dataset_of("content", ContentEvent)
