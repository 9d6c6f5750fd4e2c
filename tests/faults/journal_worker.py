"""A worker whose calls cost money: it journals them, acknowledges them on its output, and settles them in files.

`python -m tests.faults.journal_worker <journal> <ledger> <name> [finish]`: takes over what dead workers left and
settles it; then, without `finish`, makes calls until it is killed. Lines it writes: `ack <operation>` for a call
whose caller has the answer, `again <operation>` for one that was settled before, `ended <operation>` for one whose
`done` is on the medium.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.accounting.journal.status import Unsettled

CALLS_AT_ONCE = 4


def main() -> None:
    """Run as the command line says."""
    journal, ledger, name, *rest = sys.argv[1:]
    asyncio.run(work(Path(journal), Path(ledger), name, finish=rest == ["finish"]))


def tell(line: str) -> None:
    """Write a line for the parent, all at once."""
    os.write(1, f"{line}\n".encode())


def settle(ledger: Path, operation: str, cost: bytes) -> None:
    """Charge an operation: of several attempts one takes effect, as in the store."""
    draft = ledger.with_name(f"draft-{os.getpid()}-{operation}")
    draft.write_bytes(cost)
    try:
        (ledger / operation).hardlink_to(draft)
    except FileExistsError:
        tell(f"again {operation}")
    draft.unlink()


async def end(journal: Journal, operation: str) -> None:
    """Close an operation, and say so once no death can take that back."""
    await journal.put(Record(Kind.DONE, operation))
    tell(f"ended {operation}")


async def work(directory: Path, ledger: Path, name: str, *, finish: bool) -> None:
    """Recover, then call and call."""
    journal = Journal(directory, JournalSettings(segment_bytes=4000, disk_bytes=100_000, pace_s=0.0))
    await journal.open()
    adoption = await journal.recover()
    assert {damage.fault for damage in adoption.damages} <= {"torn"}, adoption
    async for each in journal.replay():
        if isinstance(each, Unsettled):
            settle(ledger, each.operation, each.payload)
        else:
            tell(f"lapsed {each.operation}")
        await end(journal, each.operation)
    if not finish:
        numbers = itertools.count()
        await asyncio.gather(*(call_and_call(journal, ledger, name, numbers) for _ in range(CALLS_AT_ONCE)))
    await journal.aclose()


async def call_and_call(journal: Journal, ledger: Path, name: str, numbers: "itertools.count[int]") -> None:
    """Make one call after the other, each as the corridor does."""
    for number in numbers:
        operation = f"{name}-{number}"
        await journal.append(Record(Kind.INTENT, operation, b"at most 100"))
        await asyncio.sleep(0)
        await journal.append(Record(Kind.RESULT, operation, b"%d nano-USD" % number))
        tell(f"ack {operation}")
        await asyncio.sleep(0)
        settle(ledger, operation, b"%d nano-USD" % number)
        if number % 2:
            await end(journal, operation)
        else:
            await journal.append(Record(Kind.DONE, operation))


if __name__ == "__main__":
    main()
