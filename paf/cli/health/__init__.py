"""What a load balancer and a monitoring system may know of this node: paf health, paf metrics."""
