"""How records leave a node: the lane protocol as a pure core, the message, and the courier that runs both."""
