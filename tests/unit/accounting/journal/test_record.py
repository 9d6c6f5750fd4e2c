"""The bytes of a segment: what is read was written, whatever has happened to the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.journal.record import (
    HEAD_BYTES,
    Gap,
    Head,
    Kind,
    NotASegment,
    Place,
    Record,
    decode_head,
    encode_head,
    encode_record,
    gateway_digest,
    salvaged_head,
    scan,
)

HEAD = Head("0123456789abcdef", 7, b"\x00\xffmarker", gateway_digest("here"), 1_700_000_000_000_000_000)
OTHER = Head("0123456789abcdef", 8, b"\x00\xffmarker", gateway_digest("here"), 1_700_000_000_000_000_000)

RECORDS = st.lists(
    st.builds(
        Record,
        st.sampled_from((Kind.INTENT, Kind.RESULT, Kind.DONE)),
        st.text(min_size=1, max_size=20),
        st.binary(max_size=60) | st.just(HEAD.marker * 3),
        st.integers(-(2**63), 2**63 - 1),
    ),
    min_size=1,
    max_size=8,
)


def segment(records: list[Record], head: Head = HEAD) -> tuple[bytes, list[Place]]:
    """A segment with the records, and where each of them is."""
    data = encode_head(head)
    places = []
    for record in records:
        frame = encode_record(record, head.marker, head.sequence, len(data))
        places.append(Place(record, len(data), len(data) + len(frame)))
        data += frame
    return data, places


@given(RECORDS)
def test_what_was_written_is_read(records: list[Record]) -> None:
    """Head and records come back as they were, and nothing else is found between them."""
    data, places = segment(records)
    assert decode_head(data) == HEAD
    assert list(scan(data, HEAD)) == places


@given(RECORDS, st.data())
def test_a_flipped_bit_costs_its_own_record_alone(records: list[Record], draw: st.DataObject) -> None:
    """One record is not read and its bytes are reported; all others are read, and nothing else."""
    data, places = segment(records)
    bit = draw.draw(st.integers(HEAD_BYTES * 8, len(data) * 8 - 1))
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    hit = next(place for place in places if place.offset <= bit // 8 < place.end)
    expected = [Gap(hit.offset, hit.end) if place is hit else place for place in places]
    assert list(scan(bytes(flipped), HEAD)) == expected


@given(RECORDS, st.data())
def test_a_cut_costs_what_was_cut_alone(records: list[Record], draw: st.DataObject) -> None:
    """Whole records before a cut are read; the rest of a record is reported as one gap at the end."""
    data, places = segment(records)
    cut = draw.draw(st.integers(HEAD_BYTES, len(data)))
    whole = [place for place in places if place.end <= cut]
    end = whole[-1].end if whole else HEAD_BYTES
    assert list(scan(data[:cut], HEAD)) == [*whole, *([Gap(end, cut)] if cut > end else [])]


@given(RECORDS, st.binary(min_size=1, max_size=200), st.data())
def test_overwritten_bytes_are_never_read_as_records(
    records: list[Record], junk: bytes, draw: st.DataObject
) -> None:
    """Whatever lies over a part of a segment, all that is read was written in that place."""
    data, places = segment(records)
    at = draw.draw(st.integers(HEAD_BYTES, len(data)))
    spoilt = data[:at] + junk + data[at + len(junk) :]
    read = [each for each in scan(spoilt, HEAD) if isinstance(each, Place)]
    assert [place for place in read if place not in places] == []
    untouched = [place for place in places if place.end <= at or place.offset >= at + len(junk)]
    assert [place for place in untouched if place not in read] == []


def test_a_record_is_good_in_its_own_place_only() -> None:
    """Whole records that were moved within a segment, or into another one of the same worker, are none."""
    records = [Record(Kind.RESULT, "a", b"1"), Record(Kind.RESULT, "b", b"2")]
    data, (first, second) = segment(records)
    a, b = data[first.offset : first.end], data[second.offset : second.end]
    assert list(scan(data[:HEAD_BYTES] + b + a, HEAD)) == [Gap(first.offset, second.end)]
    assert list(scan(data, OTHER)) == [Gap(HEAD_BYTES, len(data))]


def test_a_payload_is_never_searched_for_records() -> None:
    """A caller who knew the marker and sent a whole record as text would not have it read, even after damage."""
    forged = encode_record(Record(Kind.DONE, "victim"), b"guess\x00\x00\x00", HEAD.sequence, HEAD_BYTES + 30)
    data, places = segment([Record(Kind.RESULT, "caller", forged), Record(Kind.RESULT, "victim", b"9")])
    spoilt = bytearray(data)
    spoilt[places[0].offset + 9] ^= 1
    read = [each.record for each in scan(bytes(spoilt), HEAD) if isinstance(each, Place)]
    assert read == [Record(Kind.RESULT, "victim", b"9")]


@given(st.integers(0, HEAD_BYTES * 8 - 1))
def test_a_damaged_head_is_not_taken(bit: int) -> None:
    """Every bit of a head counts; the records behind it are found all the same by the name of the file."""
    data, places = segment([Record(Kind.RESULT, "a", b"1")])
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotASegment):
        decode_head(bytes(flipped))
    head = salvaged_head(bytes(flipped), HEAD.worker, HEAD.sequence, HEAD.gateway)
    assert head is not None
    assert list(scan(bytes(flipped), head)) == places
    assert salvaged_head(bytes(flipped), HEAD.worker, HEAD.sequence + 1, HEAD.gateway) is None


@pytest.mark.parametrize("data", [b"", b"\x00" * 4096, b"PK\x03\x04" * 40, encode_head(HEAD)[:-1]])
def test_other_files_are_not_segments(data: bytes) -> None:
    """Files that are empty, zeros, cut in the head or of another kind are refused."""
    with pytest.raises(NotASegment):
        decode_head(data)


def test_a_later_version_is_not_guessed_at() -> None:
    """A segment of another version of the format is refused by its number."""
    later = Head(HEAD.worker, 7, HEAD.marker, HEAD.gateway, 0, version=2)
    with pytest.raises(NotASegment, match="version 2"):
        decode_head(encode_head(later))


@pytest.mark.parametrize("operation", ["", "x" * 256, "é" * 128])
def test_an_operation_fits_its_length(operation: str) -> None:
    """An operation without an id, or with one whose length takes more than a byte, is refused."""
    with pytest.raises(ValueError, match="1 to 255"):
        encode_record(Record(Kind.DONE, operation), HEAD.marker, 1, 0)
