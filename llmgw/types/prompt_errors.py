"""What can go wrong with prompts, as branches of the tree in `errors.py`.

RequestError
├── InvalidRequest
│   ├── TemplateError            400  template_error             it cannot be rendered with these variables
│   │   └── TemplateTooComplex   400  template_too_complex       it would take too long or grow too large
│   └── InvalidPrompt            400  invalid_prompt             what is pushed is no prompt
├── NotFound
│   ├── PromptNotFound           404  prompt_not_found
│   ├── PromptVersionNotFound    404  prompt_version_not_found   lists what there is
│   └── ApiNotFound              404  api_not_found
├── PromptConflict               409  prompt_conflict            a rule of labels, rollouts or lifecycles
├── GateMissing                  409  gate_missing               promoted without an evaluation that passed
├── PromptRetired                410  prompt_retired
├── PromptChanged                412  prompt_changed             somebody else was faster
├── PromptRejected               422  prompt_rejected            the lint found errors
└── InputViolation               422  input_schema_violation     variables do not fit the input schema
OutputViolation                  502  output_schema_violation    the model's answer does not fit the output schema
"""

from llmgw.types.errors import GatewayError, InvalidRequest, NotFound, RequestError, WithViolations


class TemplateError(InvalidRequest):
    """The template asks for what the variables do not have, or is no template."""

    code = "template_error"


class TemplateTooComplex(TemplateError):
    """Rendering it would take too long, or make more text than may be made."""

    code = "template_too_complex"


class InvalidPrompt(WithViolations, InvalidRequest):
    """What is pushed is no prompt."""

    code = "invalid_prompt"


class PromptNotFound(NotFound):
    """The tenant has no prompt of that name."""

    code = "prompt_not_found"


class PromptVersionNotFound(NotFound):
    """The prompt has no such version or label for callers; the message lists those it has."""

    code = "prompt_version_not_found"


class ApiNotFound(NotFound):
    """The tenant serves no API at that address."""

    code = "api_not_found"


class PromptConflict(RequestError):
    """What is asked contradicts how things are with the prompt."""

    code = "prompt_conflict"
    status = 409


class GateMissing(RequestError):
    """A protected label leads only where an evaluation of exactly that content passed."""

    code = "gate_missing"
    status = 409


class PromptRetired(RequestError):
    """The version was served once and is no more; `successor` says what to call instead."""

    code = "prompt_retired"
    status = 410

    def __init__(self, message: str, *, successor: str | None = None) -> None:
        super().__init__(message)
        self.successor = successor


class PromptChanged(RequestError):
    """The prompt or the label is not as the caller last saw it; `etag` is what it is now."""

    code = "prompt_changed"
    status = 412

    def __init__(self, message: str, *, etag: str | None = None) -> None:
        super().__init__(message)
        self.etag = etag


class PromptRejected(WithViolations, RequestError):
    """The lint found errors; each is a violation that points into the content."""

    code = "prompt_rejected"
    status = 422


class InputViolation(WithViolations, RequestError):
    """The variables do not fit the version's input schema; the violations point into both."""

    code = "input_schema_violation"
    status = 422


class OutputViolation(WithViolations, GatewayError):
    """The model's answer does not fit the version's output schema; the call's id names the answer."""

    code = "output_schema_violation"
    status = 502
