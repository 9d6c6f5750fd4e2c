"""Strings of others made fit to leave: bounded, valid, harmless to a terminal."""


def cut(text: str, limit: int) -> str:
    """Return `text` as valid Unicode of at most `limit` UTF-8 bytes; a character is never split."""
    if text.isascii():
        return text[:limit]
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def printable(text: str, limit: int) -> str:
    r"""Return `limit` characters of `text` at most, with `\n`, `\x1b`, `\u2028` for those that do not print.

    What is left holds no line break of any kind, no terminal control, no lone surrogate.
    """
    if len(text) > limit:
        text = text[:limit]
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
