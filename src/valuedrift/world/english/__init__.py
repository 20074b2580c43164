"""Plain English: questions and arguments that were written for this project, and answers made of them."""
