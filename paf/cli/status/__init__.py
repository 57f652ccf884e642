"""paf status: is it up, would it fail over now, what has to be done."""
