"""WHAT IT COST: how many tokens a conversation is, without asking anybody, and what an answer is charged."""
