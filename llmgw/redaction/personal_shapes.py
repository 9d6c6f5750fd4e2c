"""What personal data look like: addresses of mail, numbers of phones, cards and bank accounts."""

import re
from typing import Final

from llmgw.redaction.finding import Said, Shape

_LOCAL: Final = re.compile(rb"[\w.%+'\x80-\xff-]{1,64}+")
_LONGEST_LOCAL: Final = 64
_LEAST_DIGITS: Final = 9
_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
_VALUES: Final = str.maketrans({chr(ord("a") + at): str(at + 10) for at in range(26)})
_BETWEEN: Final = rb"(?:[ ()./-]|\xc2\xa0|\xe2\x80[\x90-\x93\xaf]){0,2}"

_IBANS: Final = (
    "no15 be16 dk18 fi18 fo18 gl18 nl18 mk19 si19 at20 ba20 ee20 kz20 lt20 lu20 xk20 ch21 hr21 li21 lv21 bg22 bh22 "
    "cr22 de22 gb22 ge22 ie22 me22 rs22 va22 ae23 gi23 il23 iq23 om23 tl23 ad24 cz24 es24 md24 pk24 ro24 sa24 se24 "
    "sk24 tn24 vg24 ly25 pt25 st25 is26 tr26 fr27 gr27 it27 mc27 mr27 sm27 al28 az28 by28 cy28 do28 gt28 hu28 lb28 "
    "pl28 sv28 br29 eg29 ps29 qa29 ua29 jo30 kw30 mu30 mt31 sc31 lc32"
)
IBAN_LENGTHS: Final = {each[:2]: int(each[2:]) for each in _IBANS.split()}
"""Characters of an account number by its country."""


def is_card(digits: bytes) -> bool:
    """Whether the last digit proves the others, as Luhn has it; ASCII digits alone."""
    total = sum(digits[-1::-2]) + sum(digits[-2::-2].translate(_DOUBLED)) - len(digits) * ord("0")
    return total % 10 == 0


def is_iban(number: str) -> bool:
    """Whether the check digits are right (ISO 13616); lower case, without spaces, of the country's length."""
    turned = number[4:] + number[:4]
    return int(turned.translate(_VALUES)) % 97 == 1


def _is_phone(match: Said) -> bool:
    return sum(character in b"0123456789" for character in match[0]) >= _LEAST_DIGITS


def _proves_card(match: Said) -> bool:
    return is_card(match[0].replace(b" ", b"").replace(b"-", b""))


def _proves_iban(match: Said) -> bool:
    text = match.string[match.start() - 2 : match.end()].replace(b" ", b"").replace(b"-", b"").decode("ascii")
    length = IBAN_LENGTHS.get(text[:2], 0)
    return 0 < length <= len(text) and is_iban(text[:length])


def _local(match: Said) -> int:
    """How long the name before the '@' is."""
    before = match.string[max(0, match.start() - _LONGEST_LOCAL) : match.start()]
    name = _LOCAL.match(before[::-1])
    return 0 if name is None else name.end()


def _bracket(match: Said) -> int:
    return int(match.string[match.start() - 1 : match.start()] == b"(")


# A shape begins with the characters by which it can be found fast; what must not stand before them comes after.
PERSONAL: Final = (
    Shape(
        "email",
        re.compile(
            rb"@(?:[0-9a-z\x80-\xff-]{1,63}+\.){1,8}[a-z\x80-\xff][0-9a-z\x80-\xff-]*+", re.IGNORECASE
        ),
        (b"@",),
        lambda match: _local(match) > 0,
        _local,
    ),
    Shape(
        "iban",
        re.compile(rb"[0-9](?<=[a-z]{2}[0-9])[0-9](?:[ -]?[0-9a-z]){11,30}+"),
        (),
        _proves_iban,
        lambda _match: 2,
        folded=True,
        again=True,
    ),
    Shape(
        "card_number",
        re.compile(
            rb"[2-6](?<![0-9][2-6])(?:[0-9]{12,18}"
            rb"|[0-9]{3}(?: [0-9]{4} [0-9]{4} [0-9]{1,7}|-[0-9]{4}-[0-9]{4}-[0-9]{1,7}"
            rb"| [0-9]{6} [0-9]{4,5}|-[0-9]{6}-[0-9]{4,5}))(?![0-9])"
        ),
        (),
        _proves_card,
        again=True,
    ),
    Shape("phone", re.compile(rb"\+[1-9](?:" + _BETWEEN + rb"[0-9]){7,}+"), (b"+",)),
    Shape("phone", re.compile(rb"0(?<![0-9.]0)0[1-9](?:" + _BETWEEN + rb"[0-9]){7,}+"), (b"00",)),
    Shape(
        "phone",
        re.compile(rb"0(?<![0-9.]0)[1-9][0-9]{1,5}+\)?(?:[ /-]{1,2}[0-9]{2,}+)++"),
        (b"0",),
        _is_phone,
    ),
    Shape("phone", re.compile(rb"0(?<![0-9.]0)[1-9](?:(?:[ .-][0-9]{2}){4}|[0-9]{8,9})(?![0-9])"), (b"0",)),
    Shape(
        "phone", re.compile(rb"[2-9][0-9]{2}(?:\) ?|[ .-])[0-9]{3}[ .-][0-9]{4}"), reach=_bracket, again=True
    ),
)
"""Personal data."""
