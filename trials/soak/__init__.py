"""`make soak`: faults drawn at random, for as long as one likes; a seed replays its draw."""
