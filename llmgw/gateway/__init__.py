"""THE CORRIDOR: one call from its invocation to its settled reply."""
