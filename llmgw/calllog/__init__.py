"""The call log: one wide event per call, kept apart from the calls, and questions about them."""
