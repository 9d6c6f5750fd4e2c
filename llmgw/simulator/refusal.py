"""How the simulator says no, before a dialect dresses it."""


class Refused(Exception):
    """An answer with an error status; `param` and `code` are for dialects that have them."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers
