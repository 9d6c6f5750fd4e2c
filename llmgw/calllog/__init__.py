"""The call log: one wide event per call, kept in segments that answer questions."""
