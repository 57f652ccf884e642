"""paf rebuild: from any state back to a streaming standby."""
