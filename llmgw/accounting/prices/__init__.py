"""What calls cost: the prices that are published, those that the operator names, and the sum for each call."""
