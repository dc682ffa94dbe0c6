"""How good are the images as pictures, whoever they are for?"""
