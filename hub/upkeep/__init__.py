"""What an operator does from the command line of the hub's machine, beside the running hub or in its absence."""
