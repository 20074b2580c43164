"""How far a judge can be trusted: against people, against another judge, and against a person who checks a sample."""
