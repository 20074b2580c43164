"""Files of rows that people hand in: read row by row, and checked column by column."""
