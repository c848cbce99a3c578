"""The Pi owner's commands, each put together in a module of its own. The running agent loads none of them."""
