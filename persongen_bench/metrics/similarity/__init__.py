"""How alike are the images to a reference, to the history, to what the user likes later?"""
