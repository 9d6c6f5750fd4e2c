"""Load tests: what the gateway costs, beside its static upstream and a bare forwarder, measured in one run."""
