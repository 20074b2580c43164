"""Write the report page, exported tables with a data dictionary, and logs of answers for inspect_ai."""
