"""The report page, tidy tables with a data dictionary, and logs of answers for inspect_ai."""
