"""How records leave a node: the lane protocol as a pure core, the message on the wire, and the courier that runs both."""
