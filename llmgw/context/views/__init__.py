"""What a target is told of a context, and what is told of that: fitted, bound, rendered, reported."""
