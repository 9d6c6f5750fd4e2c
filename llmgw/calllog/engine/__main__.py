"""Run an engine: requests on standard input, answers on standard output."""

import os
import sys

from llmgw.calllog.engine.serving import serve


def main() -> None:
    """Serve until the worker ends; what a library prints does not get between the answers."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, replies)
    except EOFError:
        sys.exit(0)


if __name__ == "__main__":
    main()
