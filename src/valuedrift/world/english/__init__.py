"""Plain English: questions and arguments that people wrote, and answers made of them."""
