"""`make tokens`: how often a bad network costs a node, by the token of corosync."""
