"""Text without secrets and personal data: what may be shown of words that somebody else wrote."""

from llmgw.redaction.documents import redact_body, redact_json
from llmgw.redaction.text import hide_credentials, redact, redact_secrets

__all__ = ["hide_credentials", "redact", "redact_body", "redact_json", "redact_secrets"]
