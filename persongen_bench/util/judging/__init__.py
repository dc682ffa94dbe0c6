"""A judge scores items against a taste by a rubric of 100 points (ImageGem, paper 004).

`rubric` what is asked · `judges` who answers · `replies` how an answer is read · `scoring` asking
what cannot be read once more · `tags` pictures in words under the rubric's headings.
"""
