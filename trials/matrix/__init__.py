"""Every Pacemaker, PostgreSQL and Python that is available, each in a cluster of its own."""
