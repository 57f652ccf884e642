"""Every Pacemaker, PostgreSQL and Python that can be had: one cluster for each, played through."""
