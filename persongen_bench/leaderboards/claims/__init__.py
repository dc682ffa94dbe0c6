"""What papers claim, their printed numbers, and whether runs on a stand-in say the same."""
