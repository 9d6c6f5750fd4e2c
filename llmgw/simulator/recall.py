"""Recalling: answers that can only come from an earlier turn that was really sent."""

import re

from llmgw.simulator import facts
from llmgw.simulator.transcript import Prompt, Turn

_ASKED = re.compile(
    r"\b(?:what(?:[\u2019']s|\s+is|\s+was|\s+are|\s+were)|tell\s+me|recall|remind\s+me\s+of"
    r"|do\s+you\s+(?:still\s+)?(?:remember|know|recall))\s+(?P<whose>my|our|the)\s+(?P<what>[^?.!\n]{1,80})",
    re.IGNORECASE,
)
_WHO = re.compile(r"\bwho\s+am\s+i\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"\bwhat\s+did\s+(?P<who>i|you)\s+(?:say|tell\s+you)\s+about\s+(?P<what>[^?.!\n]{1,80})", re.IGNORECASE
)
_MESSAGE = re.compile(
    r"\b(?:what\s+(?:was|is)|repeat|recall|tell\s+me)\s+(?P<whose>my|your)\s+"
    r"(?P<which>first|second|third|last|previous)\s+(?:message|question|answer|reply)\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\bwhat\s+did\s+(?P<who>i|you)\s+(?:just\s+)?say\s*(?P<which>first|last|before)?\s*\?", re.IGNORECASE
)
_HOW_MANY = re.compile(r"\bhow\s+many\s+(?:messages|turns)\b", re.IGNORECASE)
_PLACE_IN_LINE = {"first": 0, "second": 1, "third": 2}


def recall(prompt: Prompt) -> str | None:
    """Answer a question about the conversation itself; None where the last user message asks nothing such."""
    question = prompt.last_user_text
    if _HOW_MANY.search(question):
        return f"Messages that reached me: {len(prompt.turns)}."
    return _message(prompt, question) or _about(prompt, question) or _fact(prompt, question)


def _message(prompt: Prompt, question: str) -> str | None:
    match = _MESSAGE.search(question)
    if match:
        mine, which = match["whose"].lower() == "my", match["which"].lower()
    else:
        match = _SAID.search(question)
        if not match:
            return None
        mine, which = match["who"].lower() == "i", (match["which"] or "last").lower()
    earlier = _earlier(prompt, "user" if mine else "assistant")
    index = _PLACE_IN_LINE.get(which, len(earlier) - 1)
    speaker = "You" if mine else "I"
    if not 0 <= index < len(earlier):
        return f"I was not told: {'your' if mine else 'my'} {which} message did not reach me."
    return f'{speaker} said: "{earlier[index].text}"'


def _about(prompt: Prompt, question: str) -> str | None:
    match = _ABOUT.search(question)
    if not match:
        return None
    mine = match["who"].lower() == "i"
    topic = facts.phrase(match["what"])
    for turn in reversed(_earlier(prompt, "user" if mine else "assistant")):
        for sentence in reversed(facts.sentences(turn.text)):
            if topic in facts.phrase(sentence):
                return f'{"You" if mine else "I"} said: "{sentence}"'
    return f"I was not told anything about {match['what'].strip()}."


def _fact(prompt: Prompt, question: str) -> str | None:
    match = _ASKED.search(question)
    if match:
        whose, what = match["whose"].lower(), match["what"].strip()
    elif _WHO.search(question):
        whose, what = "my", "name"
    else:
        return None
    owner = "the" if whose == "the" else "your"
    stated = facts.statements(prompt.turns)
    asked = facts.words(what)
    # The shortest end is cut off first: "the code word I told you" is about the code word.
    for length in range(len(asked), 0, -1):
        key = " ".join(asked[:length])
        if key in stated:
            return f"{owner.capitalize()} {key} is {stated[key]}."
    return f"I was not told {owner} {what}."


def _earlier(prompt: Prompt, role: str) -> list[Turn]:
    """Turns of a role before the newest user message."""
    newest = max((index for index, turn in enumerate(prompt.turns) if turn.role == "user"), default=0)
    return [turn for turn in prompt.turns[:newest] if turn.role == role]
