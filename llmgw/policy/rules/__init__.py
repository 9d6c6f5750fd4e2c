"""Which limits and budgets a call is held to: those of the settings, and those that operators put beside them."""
