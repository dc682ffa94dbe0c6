"""How different are the images of one request?"""
