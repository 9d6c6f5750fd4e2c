"""llmgw: an LLM gateway that proves what of the stored context reached the model."""

__version__ = "0.1.0"
