"""Where prompts are changed, and looked at as they are stored now: versions, labels, rollouts, who did what."""
