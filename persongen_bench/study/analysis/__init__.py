"""From a study's answers to what they say of the methods, with people as the unit."""
