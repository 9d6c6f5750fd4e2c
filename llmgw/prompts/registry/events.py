"""A change and its event in the audit, as the store takes them: together."""

from llmgw.prompts.registry.audit import AuditEvent, digest_of, written
from llmgw.prompts.registry.changes import At, Change
from llmgw.prompts.serving.apis import served_slugs
from llmgw.prompts.storage.store import Commit, There
from llmgw.types.prompt import PromptInfo


def as_commit(change: Change, before: PromptInfo, there: There, at: At, *, begin: bool = True) -> Commit:
    """Put a change and its event together, as the store takes them."""
    event = written(
        AuditEvent(
            seq=there.tail.events + 1,
            at_ms=at.now_ms,
            who=at.author.who,
            call=at.author.call,
            op=change.op,
            prompt=change.info.name,
            subject=change.subject,
            before=change.before,
            after=change.after,
            reason=change.reason,
            detail=change.detail,
            prev=there.tail.digest,
        )
    )
    served, now = served_slugs(before), served_slugs(change.info)
    return Commit(
        tenant=at.author.tenant,
        info=change.info,
        there=there,
        event=event,
        digest=digest_of(event),
        fields=change.fields,
        claimed=sorted(now),
        released=sorted(served - now),
        begin=begin,
    )
