"""What a worker knows of a context counts with all the memory it takes, and is bounded."""

from llmgw.context.known import History
from llmgw.context.views.renders import Rendering, follow
from llmgw.types.memo import Begun, Memo, Run
from llmgw.types.message import Message, TextPart
from llmgw.types.target import Target
from tests.unit.routing.targets import target

SAID = tuple(Message(role="user", parts=(TextPart(text=f"{n}"),)) for n in range(4))
TOLD = tuple(b"%d" % n * 100 for n in range(4))


def history() -> History:
    """A context of which nothing is known yet."""
    return History((), None, 1)


def named(number: int) -> Target:
    """One of many targets."""
    return target(f"static/{number}")


def test_what_targets_were_told_counts() -> None:
    """Bytes that are remembered, and those of a rendering that nobody else holds, are part of the size."""
    known = history()
    memo = known.begin_memo(named(0))
    memo.keep(SAID[0], TOLD[0])
    assert known.size == memo.size > len(TOLD[0])
    before = known.size
    render, _ = follow(None, Rendering(b"head", TOLD, own=300))
    known.keep_render("static/0", render)
    assert known.size == before + render.size > before + 300
    known.begin_memo(named(0))
    known.keep_render("static/0", follow(None, Rendering(b"", ()))[0])
    assert known.size == 0


def test_blobs_count_once() -> None:
    """A blob that is kept again takes no more than before."""
    known = history()
    for _ in range(2):
        known.keep_blob("a", bytes(1000))
    assert known.size == 1000


def test_blobs_are_bounded() -> None:
    """The oldest go where there are too many, and no longer count."""
    known = history()
    for number in range(40):
        known.keep_blob(f"{number}", bytes(1024 * 1024))
    assert list(known.blobs) == [f"{number}" for number in range(24, 40)]
    assert known.size == 16 * 1024 * 1024


def test_only_so_many_targets_are_remembered() -> None:
    """A caller that names ever other models makes a worker forget the first, and what these were told."""
    known = history()
    for number in range(20):
        known.begin_memo(named(number)).keep(SAID[0], TOLD[0])
        known.keep_render(f"static/{number}", follow(None, Rendering(b"", TOLD))[0])
    assert list(known.memos) == list(known.renders) == [f"static/{number}" for number in range(12, 20)]


def test_a_run_that_grows_counts_what_is_new() -> None:
    """Told again and longer, a run takes the memory of its messages once; of others' bytes only the places."""
    grown, at_once, others = Memo(), Memo(), Memo()
    for count in (2, 3, 4):
        grown.keep_run(Run(SAID[:count], TOLD[:count]), own=True)
    at_once.keep_run(Run(SAID, TOLD), own=True)
    others.keep_run(Run(SAID, TOLD), own=False)
    assert (grown.size, grown.count) == (at_once.size, at_once.count)
    assert grown.count == 4
    assert others.count == 0
    assert others.size < at_once.size - sum(map(len, TOLD))


def test_a_run_is_known_by_what_its_messages_say() -> None:
    """Another conversation that begins with the same message is not told the rest of the first one's."""
    memo = Memo()
    memo.keep_run(Run(SAID, TOLD), own=True)
    assert memo.run(SAID, 0).told == TOLD
    assert memo.run((*SAID, SAID[0]), 0).told == TOLD
    assert memo.run(SAID[:3], 0).told == ()
    assert memo.run((SAID[0], SAID[2], SAID[1], SAID[3]), 0).told == ()
    assert memo.run(SAID, 1).told == ()


def test_a_beginning_that_grows_counts_what_is_new() -> None:
    """Told in steps it takes what it takes at once; where the conversation is another one, it takes nothing."""
    grown, at_once = Memo(), Memo()
    for first in range(4):
        assert grown.begin(SAID, 0).told == TOLD[:first]
        grown.go_on(Begun(SAID[first : first + 1], TOLD[first : first + 1]))
    at_once.go_on(Begun(SAID, TOLD))
    assert (grown.begun, grown.size, grown.count) == (at_once.begun, at_once.size, at_once.count)
    assert grown.size > sum(map(len, TOLD))
    assert grown.begin(SAID[1:], 0).told == ()
    assert (grown.size, grown.count) == (0, 0)
