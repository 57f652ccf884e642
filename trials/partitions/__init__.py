"""`make partitions`: the primary is cut off under load, again and again; who comes back alone?"""
