"""What plays on the lab for longer than a test: demo, faults, soak, benchmark, matrix."""
