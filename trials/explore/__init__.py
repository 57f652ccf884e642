"""`make explore`: states of nodes crossed with events, drawn by a seed, on real clusters."""
