"""PAF: PostgreSQL automatic failover under Pacemaker."""

VERSION = "3.0.0"
