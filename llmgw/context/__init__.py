"""WHAT WAS SAID: stored conversations, whole, in order, and proven to have reached the model."""
