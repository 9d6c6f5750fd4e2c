"""What an answer's headers say of the context it continues."""

from llmgw.http.exchange import Headers
from llmgw.types.call import ContextFacts


def context_headers(facts: ContextFacts) -> Headers:
    """Write the headers; the report in a stream's is that of the request, as the answer is not whole yet."""
    if facts.mode == "verify":
        return [(b"x-llmgw-preservation", _verified(facts).encode())]
    headers: Headers = []
    if facts.id:
        headers.append((b"x-llmgw-context", facts.id.encode()))
    if facts.etag and (facts.final or facts.replayed):
        headers.append((b"etag", f'"{facts.etag}"'.encode()))
    if facts.verdict:
        said = f"verdict={facts.verdict};score={facts.score:.2f};losses={len(facts.losses)}"
        headers.append((b"x-llmgw-preservation", (said if facts.final else f"{said};stage=sent").encode()))
    if told := {each.rule for each in facts.violations if each.level in {"warn", "repair"}}:
        headers.append((b"x-llmgw-violations", ",".join(sorted(told)).encode()))
    if facts.forked_from is not None:
        headers.append((b"x-llmgw-forked-from", facts.forked_from.encode()))
    if facts.again:
        # The provider may have been paid for a try whose answer was lost.
        headers.append((b"x-llmgw-retried", b"true"))
    return headers


def _verified(facts: ContextFacts) -> str:
    """Say what became of a history that the caller keeps; `stage=pending` as long as that is not known."""
    said = f"verdict={facts.verdict};score={facts.score:.2f};losses={len(facts.findings)}"
    if facts.findings:
        said += f";found={'+'.join(dict.fromkeys(each.code for each in facts.findings))}"
    return f"{said};mode=verify" if facts.final else f"{said};mode=verify;stage=pending"
