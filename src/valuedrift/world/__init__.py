"""The pocket world: generated questions, answers and data sets whose stances are known because they are planted."""
