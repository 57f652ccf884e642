"""paf alert: the alert agent that Pacemaker runs. One message for each event, not one an action."""
