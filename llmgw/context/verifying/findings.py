"""What became of a history between two calls, said in findings."""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgw.context.verifying.alignment import Alignment, Gap, align
from llmgw.context.verifying.branch import Branch
from llmgw.context.verifying.canonical import ANSWERS, BROKEN, History, Place
from llmgw.types.preservation import Verdict
from llmgw.types.verification import Finding

Pointing: TypeAlias = Callable[[Place], str]
"""Says where a turn of the request stands."""

_LEAST_SUMMED_UP: Final = 2
"""By how many turns a history gets shorter, at least, where something else in their place is a summary."""


class Known(Struct, frozen=True, kw_only=True):
    """What a history is compared with: one branch, and all answers that were given in the session."""

    branch: Branch
    answered: Collection[bytes]


def compare(now: History, known: Known, pointing: Pointing) -> list[Finding]:
    """Find what of a branch is not as it was, in the order of its turns. The instructions are not looked at."""
    return _Comparison(now, known, pointing).findings()


def strangers(now: History, answered: Collection[bytes], pointing: Pointing) -> list[Finding]:
    """Find answers that were not given here, in a history of which nothing is known besides."""
    return [
        _foreign(number, pointing(now.places[number]), "this answer was never given in this session")
        for number in range(now.said)
        if now.is_answer(number) and now.digests[number] not in answered
    ]


def adopted(now: History, pointing: Pointing) -> list[Finding]:
    """Say of a session of which nothing is known which answers came along with it."""
    found = strangers(now, (), pointing)
    if not found:
        return []
    first, last = found[0], found[-1]
    return [
        replace(
            first,
            through=last.index if last is not first else None,
            message=f"{len(found)} answers came along of which nothing is known: this is the first that is seen "
            "of the session, or it was forgotten",
            detail="session.unknown",
        )
    ]


def changed_instructions(pointer: str) -> Finding:
    """Say that other instructions are given, which callers may do at any time."""
    return Finding(
        code="edited",
        severity="info",
        pointer=pointer,
        message="the instructions differ from those of the call before",
        detail="instructions.changed",
    )


def judge(findings: Iterable[Finding], turns: int) -> tuple[Verdict, float]:
    """Sum up: the verdict, and the share of turns that are as they were."""
    counted = [each for each in findings if each.severity != "info"]
    if not counted:
        return "preserved", 1.0
    touched = sum(each.turns for each in counted)
    score = round(max(0.0, 1 - touched / max(1, turns)), 4)
    lost = any(each.code == "lost" and each.severity != "minor" for each in counted)
    return ("lost" if lost else "degraded"), score


class _Comparison:
    def __init__(self, now: History, known: Known, pointing: Pointing) -> None:
        self._now = now
        self._before = known.branch
        self._known = set(known.branch.digests)
        self._answered = known.answered
        self._place = pointing
        self._found: list[Finding] = []
        summary = now.summary
        self._summary = summary if summary is not None and now.digests[summary] not in self._known else None

    def _pointing(self, number: int) -> str:
        return self._place(self._now.places[number])

    def findings(self) -> list[Finding]:
        course = align(self._before.digests, self._now.digests)
        self._reordered(course)
        for gap in course.gaps:
            self._gap(gap)
        return sorted(self._found, key=lambda each: -1 if each.index is None else each.index)

    def _reordered(self, course: Alignment) -> None:
        for run in _runs(course.moved):
            (first, at), (last, _) = run[0], run[-1]
            self._found.append(
                Finding(
                    code="reordered",
                    severity="major",
                    pointer=self._pointing(at),
                    index=first,
                    through=last if last != first else None,
                    message=f"{_turns(len(run))} stood elsewhere before",
                )
            )

    def _gap(self, gap: Gap) -> None:
        gone, come = self._broken_off(gap.before, gap.now)
        if gap.after is None:
            # The last thing may be the beginning of the answer that is asked for.
            come = [each for each in come if each < self._now.said]
            if self._is_asked_again(gone, come):
                self._again(gone, come)
                return
        summed_up = self._is_summed_up(gone, come, final=gap.after is None)
        if summed_up:
            self._lost(gone, come[0] if come else gap.after, summed_up=True)
            self._come([each for each in come if self._now.is_answer(each)], final=True)
            return
        left_gone, left_come = self._edited(gone, come)
        self._lost(left_gone, come[0] if come else gap.after, summed_up=False)
        self._come(left_come, final=gap.after is None)

    def _broken_off(self, gone: list[int], come: list[int]) -> tuple[list[int], list[int]]:
        """Leave out answers that broke off, and what the caller kept of them."""
        broken = [each for each in gone if self._before.kinds[each] == BROKEN]
        if not broken:
            return gone, come
        rest = [each for each in gone if self._before.kinds[each] != BROKEN]
        kept = [each for each in come if self._now.is_answer(each)][: len(broken)]
        return rest, [each for each in come if each not in kept]

    def _is_asked_again(self, gone: list[int], come: list[int]) -> bool:
        """Whether the end of the history was taken back for another try."""
        if not gone or self._summary is not None or any(map(self._now.is_answer, come)):
            return False
        # An answer that is gone from between two questions was not taken back: its question still stands.
        return not come or self._before.kinds[gone[0]] not in ANSWERS

    def _again(self, gone: list[int], come: list[int]) -> None:
        self._found.append(
            Finding(
                code="regenerated",
                severity="info",
                pointer=self._pointing(come[0]) if come else None,
                index=gone[0],
                through=gone[-1] if len(gone) > 1 else None,
                message=f"the last {_turns(len(gone))} were taken back, and the model is asked anew",
            )
        )

    def _is_summed_up(self, gone: list[int], come: list[int], *, final: bool) -> bool:
        if self._summary is not None:
            return True
        return (
            not final
            and bool(come)
            and gone[:1] in ([0], [1])
            and len(gone) >= len(come) + _LEAST_SUMMED_UP
            and any(self._before.kinds[each] in ANSWERS for each in gone)
            and not any(map(self._now.is_answer, come))
        )

    def _edited(self, gone: list[int], come: list[int]) -> tuple[list[int], list[int]]:
        """Pair what stands in another's place, kind by kind; returns what is left."""
        left = list(come)
        rest: list[int] = []
        for before in gone:
            kind = self._kind(self._before.kinds[before])
            number = next((each for each in left if self._kind(self._now.kinds[each]) == kind), None)
            if number is None:
                rest.append(before)
                continue
            left.remove(number)
            given = kind in ANSWERS and self._now.digests[number] in self._answered
            self._found.append(
                Finding(
                    code="regenerated" if given else "edited",
                    severity="info" if given else "major",
                    pointer=self._pointing(number),
                    index=before,
                    message="another answer of this session stands in the place of this one"
                    if given
                    else f"{_WHAT[kind]} is not what it was",
                )
            )
        return rest, left

    def _lost(self, gone: list[int], at: int | None, *, summed_up: bool) -> None:
        for run in _runs([(each, each) for each in gone]):
            first, last = run[0][0], run[-1][0]
            count = _turns(len(run))
            self._found.append(
                Finding(
                    code="lost",
                    severity="minor" if summed_up else "major",
                    pointer=self._pointing(at) if at is not None else None,
                    index=first,
                    through=last if last != first else None,
                    message=f"{count} gave way to a summary by the caller"
                    if summed_up
                    else f"{count} that the model had seen are not there any more",
                    detail="history.compacted" if summed_up else None,
                )
            )

    def _come(self, come: list[int], *, final: bool) -> None:
        for number in come:
            digest = self._now.digests[number]
            if number == self._summary:
                continue
            if not self._now.is_answer(number):
                # At the end that is what the caller says next.
                if not final:
                    words = "this stands amid the history, where it did not stand before"
                    self._found.append(_foreign(number, self._pointing(number), words))
            elif digest not in self._answered:
                words = "this answer was never given in this session"
                self._found.append(_foreign(number, self._pointing(number), words))
            elif digest in self._known:
                self._found.append(
                    _foreign(number, self._pointing(number), "this answer stands there a second time")
                )

    @staticmethod
    def _kind(kind: int) -> int:
        return min(ANSWERS) if kind in ANSWERS else kind


_WHAT: Final = {
    min(ANSWERS): "the answer in this place",
    ord("u"): "what was said here",
    ord("s"): "the instruction in this place",
    ord("t"): "the tool's result in this place",
}


def _foreign(number: int, pointer: str, message: str) -> Finding:
    return Finding(code="foreign", severity="major", pointer=pointer, index=number, message=message)


def _runs(pairs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Cut pairs into runs in which both numbers go up by one."""
    if not pairs:
        return []
    runs = [[pairs[0]]]
    for (one, other), pair in pairwise(pairs):
        if pair == (one + 1, other + 1):
            runs[-1].append(pair)
        else:
            runs.append([pair])
    return runs


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"
