"""Chance that is drawn ahead."""

import os

from llmgw.context.chance import SIZE, drawn


def test_nothing_is_drawn_twice() -> None:
    """Each draw has the length of a salt, and none comes again, within a block and beyond it."""
    draws = [drawn() for _ in range(1000)]
    assert {len(each) for each in draws} == {SIZE}
    assert len(set(draws)) == len(draws)


def test_a_child_process_draws_for_itself() -> None:
    """What was drawn ahead in the parent is given to the parent alone."""
    drawn()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"".join(drawn() for _ in range(100)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        theirs = said.read()
    assert os.waitpid(child, 0)[1] == 0
    assert len(theirs) == 100 * SIZE
    assert not {theirs[at : at + SIZE] for at in range(0, len(theirs), SIZE)} & {drawn() for _ in range(300)}
