"""Grids that papers searched, a TOML file each (`reading` opens them)."""
