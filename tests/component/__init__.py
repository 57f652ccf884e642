"""The real agent against real PostgreSQL, with stand-ins for Pacemaker's programs."""
