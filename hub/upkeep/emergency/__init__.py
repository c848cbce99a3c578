"""The sheet for the day the screens are dark: who to call, who called for help, what was under way."""
