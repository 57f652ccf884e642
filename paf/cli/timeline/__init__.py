"""paf timeline and paf history: what happened, from logs and from Pacemaker's own history."""
