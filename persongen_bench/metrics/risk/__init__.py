"""What do the images copy, and what do they give away?"""
