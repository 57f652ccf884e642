"""paf status: is it up, would it fail over now, what is to be done."""
