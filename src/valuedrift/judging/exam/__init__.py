"""The exam of a judge: it reads answers of known stance before money is spent on it."""
