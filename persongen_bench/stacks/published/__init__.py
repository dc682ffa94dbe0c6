"""Published models as stacks, from the hub's cache or a local folder.

`files` and `locate` need no torch; `stack` and `verify` do.
"""
