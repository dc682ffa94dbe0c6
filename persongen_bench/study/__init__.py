"""Studies with people: what is asked, the page that asks, the server that keeps, the analysis."""
