"""A module for each notification that asks for something; each has run(context)."""
