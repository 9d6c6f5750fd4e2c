"""Two gateways on a Valkey Cluster, one primary of which is killed under load."""
