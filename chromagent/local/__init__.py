"""One's own machine: simulated Vertex, local API Gateway, command line. Never part of a deployment; may import anything."""
