"""What all that is sent says of this process."""

from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version

from llmgw.telemetry import semconv


def resource_of(version: str, more: Mapping[str, str]) -> Resource:
    """Describe the process, `more` included; nothing is taken from the environment."""
    return Resource(
        {
            semconv.SERVICE_NAME: "llmgw",
            semconv.SERVICE_VERSION: version,
            semconv.TELEMETRY_SDK_NAME: "opentelemetry",
            semconv.TELEMETRY_SDK_LANGUAGE: "python",
            semconv.TELEMETRY_SDK_VERSION: sdk_version,
            **more,
        }
    )


def scope_of(version: str) -> InstrumentationScope:
    """Name the code that speaks."""
    return InstrumentationScope("llmgw", version)
