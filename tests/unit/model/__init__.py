"""A whole cluster in memory around the agent's own actions: servers, Pacemaker, clients."""
